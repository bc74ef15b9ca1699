// The chatter's page: begins within the same document, shows the conversation, says how the line is, ends.
// Without it everything works by plain forms.

import {Connection} from "./connection.js";
import {Log} from "./log.js";
import {after, behind, due, empty, reduce, refusal} from "./outbox.js";

const ROUND = 1_000; // ms between two looks at what is due and what to say
const LONG = 60_000; // ms without a line after which another way is named
const RESTORED = 10_000; // ms that 'the connection is back' and 'is back' stand
const VEIL = 30_000; // ms away after which the conversation shows itself only at a tap (D14)
const ANSWER = 20_000; // ms after which an answer to a form is no longer waited for
const FEW = 3; // entries below which there is nothing earlier to hide
const NEAR = 120; // px from the end of the page within which somebody reads along

const boot = JSON.parse(document.getElementById("boot").textContent);
const texts = Object.fromEntries(
  [...document.getElementById("texts").content.children].map((text) => [text.dataset.key, text.textContent]),
);
const handy = matchMedia("(pointer: fine)").matches; // a keyboard is likely: Enter sends, and focus opens no touch keyboard
const main = document.getElementById("main");
const one = (id) => document.getElementById(id);
const say = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/** Shows an error at its place, or takes it away. */
function tell(id, text) {
  one(id).textContent = text;
  one(id).hidden = !text;
}

// Posts

async function within(ms, act) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ms);
  try {
    return await act(stop.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Posts an object as JSON, or the fields of a form; a token that has grown old is renewed once. */
async function post(address, body) {
  const fields = body instanceof URLSearchParams;
  const send = () =>
    within(ANSWER, (signal) =>
      fetch(address, {
        method: "POST",
        headers: {
          Accept: "application/json",
          "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "",
          ...(!fields && {"Content-Type": "application/json"}),
        },
        body: fields ? body : JSON.stringify(body),
        signal,
      }),
    );
  const answer = await send();
  // An employee who logs in with this browser changes the token: that must not cost a chatter the conversation.
  return answer.status === 403 && (await renewToken()) ? send() : answer;
}

async function renewToken() {
  const page = await within(ANSWER, (signal) => fetch("/", {headers: {Accept: "text/html"}, signal}).then((answer) => answer.text()));
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(page)?.[1];
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token ?? field.value;
  return Boolean(token);
}

// The start

function prepareStart(form) {
  const button = form.querySelector("button");
  const label = button.textContent;
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    button.textContent = say("moment");
    const error = await begin(form).catch(() => say("failed"));
    busy = false;
    if (!form.isConnected) return;
    button.textContent = label;
    tell("start-error", error);
  });
}

/** Begins the conversation in this document, so that it adds nothing to the history (D4); otherwise says why not. */
async function begin(form) {
  const answer = await post("/start/", new URLSearchParams(new FormData(form)));
  if (!form.isConnected) return "";
  if (answer.status === 204) {
    main.replaceChildren(one("conversation").content.cloneNode(true), one("ended"));
    scrollTo(0, 0);
    new Talk().open();
    (handy ? one("text") : main.querySelector("h1")).focus();
    return "";
  }
  const {errors, detail} = await answer.json();
  if (!errors) return detail || say("failed");
  const wrong = ["nickname", "municipality", "text"].filter((name) => {
    tell(`${name}-error`, errors[name]?.[0] ?? "");
    if (errors[name]) one(name).setAttribute("aria-invalid", "true");
    else one(name).removeAttribute("aria-invalid");
    return errors[name];
  });
  if (wrong.includes("text")) one("text").closest("details").open = true;
  if (wrong.length) one(wrong[0]).focus();
  return wrong.length ? "" : say("failed");
}

/** After the end: another conversation, which again adds nothing to the history. */
function prepareAnew(form) {
  form.elements.conversation.value ||= crypto.randomUUID();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell("anew-error", "");
    const answer = await post("/start/", new URLSearchParams(new FormData(form))).catch(() => null);
    if (answer?.status === 204) return location.replace("/");
    const {detail} = (await answer?.json().catch(() => null)) ?? {};
    tell("anew-error", detail || say("failed"));
  });
}

// The conversation

class Talk {
  #talk = empty("chatter", boot.numbers.resend);
  #log = new Log(one("log"), say, new Intl.DateTimeFormat(document.documentElement.lang, {hour: "2-digit", minute: "2-digit", timeZone: "Europe/Amsterdam"}));
  #line = new Connection({
    path: "/ws/chatter/",
    hello: () => ({type: "hello", after: after(this.#talk)}),
    onFrame: (frame) => this.#frame(frame),
    onStatus: (status) => this.#lineIs(status),
    numbers: boot.numbers,
    poll: {address: "/entries/", end: "/end/", post},
  });
  #gone = new AbortController(); // aborted when the page is left: nothing listens any more
  #rounds = setInterval(() => this.#round(), ROUND);

  #live = false; // there is a line now
  #transport = "socket";
  #heard = performance.now(); // when the line last gave a sign of life
  #doubted = false; // the chatter has read that the line is gone
  #restored = -Infinity; // when the line was back after that
  #other = {}; // the last {employee, peer}
  #otherBack = -Infinity; // when that same employee was back
  #helped = false; // an employee was in this conversation
  #readTo = 0; // told as read on this line
  #typedAt = -Infinity;
  #hiddenTo = 0; // entries up to here are hidden on the chatter's wish (D15)
  #awayAt = 0;
  #veils = true;
  #stopping = false; // the chatter asked for the end
  #over = false;

  constructor() {
    const frames = this.#log.adopt();
    this.#talk = {...this.#talk, first: frames.length ? frames[0].seq : boot.first_seq || 1};
    for (const frame of frames) this.#change({type: "frame", frame, at: 0});
    this.#listen();
  }

  open() {
    this.#show();
    scrollTo(0, document.documentElement.scrollHeight);
    this.#line.open();
  }

  #listen() {
    const {signal} = this.#gone;
    const on = (target, type, act) => target.addEventListener(type, act, {signal});
    const instead = (act) => (event) => {
      event.preventDefault();
      act();
    };
    on(one("write"), "submit", instead(() => this.#write()));
    on(one("end"), "submit", instead(() => this.#ask(true)));
    on(one("text"), "input", () => this.#typed());
    on(one("text"), "keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && handy) instead(() => this.#write())(event);
    });
    on(main, "click", ({target}) => this.#does(target.closest("[data-does]")?.dataset.does));
    on(document, "visibilitychange", () => this.#lookedAway());
    on(window, "scroll", () => this.#atEnd() && (one("newer").hidden = true));
    on(window, "leave", () => this.#leave());
    on(window, "pagehide", () => this.#leave());
  }

  #does(what) {
    if (what === "stop") this.#stop();
    else if (what === "go-on") this.#ask(false);
    else if (what === "earlier") this.#hideEarlier();
    else if (what === "newer") this.#toEnd();
    else if (what === "unveil") this.#unveil();
    else if (what === "unveil-always") {
      this.#veils = false;
      this.#unveil();
    }
  }

  // what the line brings

  #frame(frame) {
    const at = performance.now();
    this.#heard = at;
    this.#change({type: "frame", frame, at});
    if (frame.type === "pong" && behind(this.#talk)) this.#line.send({type: "hello", after: after(this.#talk)});
    this.#round();
  }

  #lineIs({line, code, transport}) {
    if (line === "here" || transport === "poll") this.#heard = performance.now(); // a poll is silent while it waits
    this.#transport = transport;
    this.#live = line === "here";
    if (line === "here") {
      this.#readTo = 0;
      this.#change({type: "line_back"});
    }
    if (line === "closed" && code !== null) this.#closed(code);
    this.#round();
  }

  #change(event) {
    this.#talk = reduce(this.#talk, event);
    const {state, returned} = this.#talk;
    if (returned) this.#giveBack(returned);
    if (!state) return;
    if (state.employee) this.#helped = true;
    const back = this.#other.peer === "lost" && state.peer === "here" && this.#other.employee === state.employee;
    if (back) this.#otherBack = performance.now();
    this.#other = state;
    if (state.state === "ended") this.#end();
  }

  #round() {
    if (this.#gone.signal.aborted) return;
    const at = performance.now();
    for (const frame of due(this.#talk, at)) this.#line.send(frame);
    this.#change({type: "tick", at});
    this.#show();
  }

  // what the chatter does

  #write() {
    const box = one("text");
    const why = refusal(box.value, boot.numbers);
    tell("text-error", why ? say(why) : "");
    box.focus();
    if (why || this.#over) return;
    this.#change({type: "written", id: crypto.randomUUID(), text: box.value, at: performance.now()});
    box.value = "";
    this.#grow();
    this.#round();
    this.#toEnd();
  }

  #typed() {
    this.#grow();
    const now = performance.now();
    if (!one("text").value || now - this.#typedAt < boot.numbers.typing * 1000) return;
    if (this.#line.send({type: "typing"})) this.#typedAt = now;
  }

  #grow() {
    const box = one("text");
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 4}px`; // and no more than the stylesheet allows
  }

  /** What could not be sent is in the box again, after what stands there, with the reason (P3). */
  #giveBack({text, code, detail}) {
    const box = one("text");
    box.value = box.value.trim() ? `${box.value}\n\n${text}` : text;
    tell("text-error", {ended: say("refused_ended"), elsewhere: say("elsewhere")}[code] ?? (detail || say("refused")));
    this.#grow();
  }

  #ask(open) {
    one("ask").hidden = !open;
    if (!open) return one("end").querySelector("button").focus();
    one("ask-unsent").hidden = !this.#talk.outbox.length;
    tell("ask-error", "");
    one("ask").scrollIntoView({block: "nearest"});
    one("ask-title").focus();
  }

  async #stop() {
    this.#stopping = true;
    const answer = await post("/end/", {}).catch(() => null);
    if (this.#gone.signal.aborted) return;
    if (answer?.ok) return this.#end();
    this.#stopping = false;
    if (!this.#over) tell("ask-error", say("failed"));
  }

  #hideEarlier() {
    this.#hiddenTo = this.#hiddenTo ? 0 : after(this.#talk);
    one("earlier").textContent = say(this.#hiddenTo ? "show" : "hide");
    this.#show();
  }

  // the end

  /** After the other side's end the last words stay; after the own nothing is shown any more. */
  #end() {
    if (this.#over) return;
    this.#over = true;
    const end = one("ended").content.cloneNode(true);
    const kind = this.#helped || this.#stopping ? "helped" : "never";
    for (const text of end.querySelectorAll("[data-when]")) text.hidden = text.dataset.when !== kind;
    if (this.#stopping) {
      this.#leave();
      main.replaceChildren(end);
      scrollTo(0, 0);
      one("over-title").focus();
    } else {
      one("ask").replaceWith(end);
      one("small").remove();
      one("typing").remove();
      one("write").querySelector("button").remove();
      one("text").readOnly = true;
      if (one("text").value.trim()) tell("text-error", say("refused_ended"));
    }
    prepareAnew(one("anew"));
  }

  #closed(code) {
    if (code === 1000) return this.#change({type: "line_closed", code: "ended"});
    this.#change({type: "line_closed", code: "elsewhere"});
    this.#talk = empty("chatter");
    this.#over = true;
    const box = one("text");
    if (!box.value.trim() && code === 4404) {
      this.#leave();
      return location.replace("/");
    }
    // What was typed here is kept in view; the conversation is not (D5, D6).
    tell("text-error", say("elsewhere"));
    box.readOnly = true;
    for (const part of [one("small"), one("ask"), one("typing"), one("state"), one("write").querySelector("button")]) part?.remove();
    one("again").hidden = false;
  }

  #leave() {
    this.#gone.abort();
    clearInterval(this.#rounds);
    this.#line.close();
    this.#talk = empty("chatter");
  }

  // what is shown

  #show() {
    const near = this.#atEnd();
    const added = this.#log.draw(this.#talk, this.#hiddenTo);
    this.#tellState();
    if (this.#over) one("desk").hidden = !one("text").value.trim() && one("again").hidden;
    else {
      one("typing").textContent = this.#talk.typing ? say("typing", {name: this.#talk.state?.employee}) : "";
      one("earlier").hidden = this.#talk.entries.length < FEW;
    }
    if (added.length && near) this.#toEnd();
    else if (added.some((author) => author !== "chatter")) one("newer").hidden = false;
    this.#tellRead();
  }

  #tellState() {
    const place = one("status");
    if (!place) return;
    const words = this.#words();
    if (words && place.textContent !== words) place.textContent = words;
    const {state, peer} = this.#talk.state ?? {};
    one("state").dataset.line = this.#doubted || peer === "lost" ? "lost" : state === "active" ? "here" : "waiting";
  }

  /** How the line and the conversation are, in words (look.md, principle 4). */
  #words() {
    const now = performance.now();
    const silence = this.#live && this.#transport === "poll" ? 0 : now - this.#heard;
    const {state, position, employee, peer} = this.#talk.state ?? {};
    if (state === "ended") return say("ended");
    if (silence > boot.numbers.doubt * 1000) {
      this.#doubted = true;
      return say(silence > LONG ? "lost_long" : "lost");
    }
    if (this.#doubted) this.#restored = now;
    this.#doubted = false;
    if (now - this.#restored < RESTORED) return say("restored");
    if (this.#talk.outbox.some(({reason}) => reason === "unavailable")) return say("unavailable");
    if (this.#talk.outbox.some(({state}) => state === "late")) return say("not_sent");
    if (state === "waiting") return [say("wait_first"), this.#place(position), say("wait_write")].filter(Boolean).join(" ");
    if (state !== "active") return "";
    if (!employee) return say("nobody_holds");
    if (peer === "lost") return say("employee_lost", {name: employee});
    return say(now - this.#otherBack < RESTORED ? "employee_back" : "here", {name: employee});
  }

  #place(position) {
    if (!position) return "";
    if (position === 1) return say("wait_next");
    return position === 2 ? say("wait_position_one") : say("wait_position", {n: position - 1});
  }

  #tellRead() {
    const seq = after(this.#talk);
    if (document.hidden || main.classList.contains("veiled") || seq <= this.#readTo) return;
    if (this.#line.send({type: "read", seq})) this.#readTo = seq;
  }

  #atEnd() {
    return innerHeight + scrollY >= document.documentElement.scrollHeight - NEAR;
  }

  #toEnd() {
    one("newer").hidden = true;
    scrollTo(0, document.documentElement.scrollHeight);
  }

  /** Nobody reads along in the overview of apps or after a while away (D14). */
  #lookedAway() {
    if (document.hidden) {
      if (!this.#veils) return;
      if (!main.classList.contains("veiled")) this.#awayAt = performance.now();
      main.classList.add("veiled");
    } else if (performance.now() - this.#awayAt > VEIL && main.classList.contains("veiled")) {
      main.classList.add("covered");
      one("veil").hidden = false;
    } else this.#unveil();
  }

  #unveil() {
    main.classList.remove("veiled", "covered");
    one("veil").hidden = true;
    this.#show();
  }
}

// One address for the whole visit (D4).
if (location.href !== `${location.origin}/`) history.replaceState(null, "", "/");
if (boot.conversation) new Talk().open();
else if (one("start")) prepareStart(one("start"));
else if (one("anew")) prepareAnew(one("anew"));
