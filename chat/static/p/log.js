// Draws the log of one conversation: by number, then what is still on its way; typed text only as text, never as a link (X1, X2, D12).

import {put} from "./words.js";

export class Log {
  #place;
  #say;
  #clock;
  #drawn = new Map(); // author and id → element

  /** `say(key)` gives a text, `clock` formats times. */
  constructor(place, say, clock) {
    this.#place = place;
    this.#say = say;
    this.#clock = clock;
  }

  /** The `entry` frames of what the server has drawn already; their elements are kept. */
  adopt() {
    return [...this.#place.children].map((element) => {
      const {seq, id, kind, author, name, at} = element.dataset;
      this.#drawn.set(`${author} ${id}`, element);
      return {type: "entry", seq: Number(seq), id, kind, author, name, text: element.querySelector("bdi[dir]").textContent, at};
    });
  }

  /** Makes the page equal to the talk; entries up to `hiddenTo` are there but not shown. Returns the new ones' authors. */
  draw({author, entries, outbox}, hiddenTo) {
    const lines = [...entries, ...outbox.map((item) => ({...item, kind: "message", author, at: null}))];
    const wanted = new Set();
    const added = [];
    let next = this.#place.firstElementChild;
    for (const line of lines) {
      const key = `${line.author} ${line.id}`;
      wanted.add(key);
      let element = this.#drawn.get(key);
      if (!element) {
        element = this.#element(line, line.author === author);
        this.#drawn.set(key, element);
        added.push(line.author);
      }
      if (line.author === author && line.kind === "message") this.#tellState(element, line);
      element.hidden = line.seq <= hiddenTo;
      if (element === next) next = next.nextElementSibling;
      else this.#place.insertBefore(element, next);
    }
    for (const [key, element] of this.#drawn) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#drawn.delete(key);
    }
    return added;
  }

  #element(line, mine) {
    const text = make("bdi", "");
    text.dir = "auto";
    put(text, line.text);
    const element = make("article", line.kind === "notice" ? "entry notice" : mine ? "entry mine" : "entry theirs");
    if (line.kind === "message") {
      const who = make("p", "who");
      if (mine) who.append(this.#say("you"));
      else who.append(make("bdi", "", line.name), ` · ${this.#say("employee")}`);
      element.append(who);
    }
    const words = make("p", "text");
    words.append(text);
    element.append(words, make("p", "meta"));
    if (!mine || line.kind === "notice") element.lastChild.append(this.#time(line.at));
    return element;
  }

  /** Being sent, not sent yet, sent: told in words at the message itself (P3). */
  #tellState(element, {state = "drawn", at}) {
    if (element.dataset.state === state) return;
    element.dataset.state = state;
    const meta = element.lastElementChild;
    if (state === "drawn") meta.replaceChildren(`${this.#say("sent")} `, this.#time(at));
    else meta.replaceChildren(this.#say({sending: "sending", late: "not_sent", sent: "sent"}[state]));
  }

  #time(at) {
    const time = make("time", "", this.#clock.format(new Date(at)));
    time.dateTime = at;
    return time;
  }
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
