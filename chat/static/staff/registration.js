// The registration form beside one conversation: it comes from the server, saves itself while somebody types, and never
// throws away what was typed (P11). The form's own nodes live here, so that switching conversations loses nothing.

import {ask, LoggedOut} from "./requests.js";
import {fragment} from "./fragments.js";
import {answers, conflict, count, errors, quiet} from "./fields.js";

const PAUSE = 1_000; // ms after the last key until what stands there is saved
const AGAIN = 5_000; // ms until a save without an answer is tried again

export class RegistrationForm {
  /** Where the form stands; empty until it has come. */
  place = document.createElement("div");

  /**
   * `line`: "loading" | "unreachable" | "logged_out" | "absent" | "ready" · `saved`: when the server last had everything, ISO, or null ·
   * `unsaved`: something stands here that the server does not have · `refused`: it does not take what stands here ·
   * `conflict`: what it says about somebody else's change · `missing`: what is still needed, or null when unknown · `done`: registered.
   */
  state = {line: "loading", saved: null, unsaved: false, refused: false, conflict: null, missing: null, busy: false, done: false, problem: null};

  #id;
  #changed;
  #form = null;
  #edits = 0; // counts what is typed, so that a save knows whether more came after it
  #refusedAt = -1; // the count at which the server did not take it: the same again would get the same answer
  #timer = 0;
  #saving = null;

  /** @param {() => void} changed called whenever `state` is another one */
  constructor(id, changed) {
    this.#id = id;
    this.#changed = changed;
    this.place.className = "form-place";
    this.place.addEventListener("input", () => this.#edited());
    this.place.addEventListener("change", () => this.#edited());
    this.place.addEventListener("focusout", () => this.flush());
    this.place.addEventListener("submit", (event) => this.#register(event));
    this.place.addEventListener("keydown", stopEnter);
  }

  /** Fetches the form; what stands in a form that is here already stays. */
  async load() {
    this.#say({line: "loading"});
    try {
      const response = await ask(`/staff/registration/${this.#id}/`, {accept: "text/html"});
      if (response.status === 404) return this.#say({line: "absent"});
      if (!response.ok) throw new Error(response.status);
      this.#show(await fragment(response));
      this.#say({line: "ready"});
    } catch (error) {
      this.#say({line: error instanceof LoggedOut ? "logged_out" : "unreachable"});
    }
  }

  /** Saves now what waits for the pause of the typing. */
  flush() {
    const {unsaved, conflict: blocked, busy, done} = this.state;
    if (!unsaved || blocked || busy || done || this.#edits === this.#refusedAt) return this.#saving;
    clearTimeout(this.#timer);
    this.#saving ??= this.#save().finally(() => {
      this.#saving = null;
    });
    return this.#saving;
  }

  /** Fetches what somebody else saved; every field where ours differs keeps our words beside it. */
  async takeNewer() {
    const mine = answers(this.#form);
    this.#say({busy: true});
    try {
      const response = await ask(`/staff/registration/${this.#id}/`, {accept: "text/html"});
      if (!response.ok) throw new Error(response.status);
      this.#show(await fragment(response));
      conflict(this.#form, mine);
      this.#say({line: "ready", conflict: null, unsaved: false, refused: false, problem: null});
    } catch (error) {
      this.#say({problem: error instanceof LoggedOut ? "logged_out" : "unreachable"});
    } finally {
      this.#say({busy: false});
    }
  }

  /** Texts that stand here and that the server does not have, when the conversation has to go. */
  left() {
    if (!this.state.unsaved || this.state.done || !this.#form) return "";
    return answers(this.#form).filter(({long, text}) => long && text.trim()).map(({label, text}) => `${label}: ${text}`).join("\n\n");
  }

  /** Puts the cursor into the first field. */
  focus() {
    this.#form?.querySelector("textarea, input:not([type=hidden]), select")?.focus();
  }

  #show(content) {
    this.place.replaceChildren(content);
    this.#form = this.place.querySelector("form");
    if (!this.#form) throw new Error("a fragment without a form");
    this.#form.noValidate = true; // the server says what is wrong, in words and all at once
    for (const area of this.#form.querySelectorAll("textarea[maxlength]")) count(area);
  }

  #edited() {
    this.#edits++;
    this.#say({unsaved: true, problem: null});
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), PAUSE);
  }

  async #save() {
    const edits = this.#edits;
    try {
      const response = await this.#post(this.#form.dataset.save, {keepalive: true}); // goes out also when the page is being left
      const body = await response.json();
      if (response.ok) this.#saved(body, edits);
      else if (response.status === 409) this.#say({conflict: body.detail});
      else if (response.status === 400) this.#notTaken(body.errors, edits);
      else throw new Error(response.status);
    } catch (error) {
      this.#say({problem: error instanceof LoggedOut ? "logged_out" : "unreachable"});
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.flush(), AGAIN);
    }
  }

  #saved({version, missing, saved_at}, edits) {
    this.#form.elements.version.value = version;
    quiet(this.#form);
    this.#say({saved: saved_at, missing, unsaved: this.#edits !== edits, refused: false, problem: null});
    if (this.state.unsaved) this.#timer = setTimeout(() => this.flush(), PAUSE);
  }

  #notTaken(byField, edits) {
    this.#refusedAt = edits;
    errors(this.#form, byField);
    this.#say({refused: true, problem: null});
  }

  async #register(event) {
    event.preventDefault();
    if (this.state.busy || this.state.done) return;
    clearTimeout(this.#timer);
    this.#say({busy: true, problem: null});
    this.place.inert = true; // what would be typed during the answer could be neither in it nor after it
    try {
      await this.#saving;
      if (this.state.conflict) return;
      const response = await this.#post(this.#form.dataset.register, {accept: "text/html, application/json"});
      if (response.status === 204) this.#say({done: true, unsaved: false});
      else if (response.status === 400) await this.#refused(response);
      else if (response.status === 409) this.#say({conflict: (await response.json()).detail});
      else throw new Error(response.status);
    } catch (error) {
      this.#say({problem: error instanceof LoggedOut ? "logged_out" : "unreachable"});
    } finally {
      this.place.inert = this.state.done;
      this.#say({busy: false});
      toRemark(this.place);
    }
  }

  async #refused(response) {
    this.#show(await fragment(response));
    this.#edited(); // what it refused to register is still to be kept
  }

  #post(path, more = {}) {
    return ask(path, {method: "POST", body: new URLSearchParams(new FormData(this.#form)), ...more});
  }

  #say(news) {
    this.state = {...this.state, ...news};
    this.#changed();
  }
}

/** To the first field that is wrong; when it is none of them, to the words about the whole. */
function toRemark(place) {
  const field = place.querySelector("[aria-invalid=true]");
  const remark = place.querySelector(".errorlist, .field-error");
  remark?.setAttribute("tabindex", "-1");
  (field ?? remark)?.focus();
}

/** Enter in a line of its own must not register a conversation by accident. */
function stopEnter(event) {
  if (event.key === "Enter" && event.target.matches("input:not([type=submit], [type=button])")) event.preventDefault();
}
