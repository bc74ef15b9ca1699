// One conversation on the page: what the line brings, what the chatter does, what is shown, and the end.

import {Connection} from "./connection.js";
import {Log} from "./log.js";
import {after, behind, due, empty, reduce, refusal} from "./outbox.js";
import {post} from "./post.js";
import {boot, one, put, say, tell} from "./words.js";

const ROUND = 1_000; // ms between two looks at what is due and what to say
const LONG = 60_000; // ms without a line after which another way is named
const RESTORED = 10_000; // ms that 'the connection is back' and 'is back' stand
const VEIL = 30_000; // ms away after which the conversation shows itself only at a tap (D14)
const FEW = 3; // entries below which there is nothing earlier to hide
const NEAR = 120; // px from the end within which somebody reads along
const ROOMY = matchMedia("(min-height: 32rem)"); // as in the stylesheet: the box stays in view by itself
const KEYBOARD = matchMedia("(pointer: fine)"); // a real one is likely: Enter sends

const main = one("main");

export class Talk {
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
  #helped = boot.helped; // an employee was in this conversation
  #longAt = performance.now() + boot.waiting.long_in * 1000; // when it is offered to other regions too
  #readTo = 0; // told as read on this line
  #typedAt = -Infinity;
  #hiddenTo = 0; // entries up to here are hidden on the chatter's wish (D15)
  #awayAt = 0;
  #veils = true;
  #stopping = false; // the chatter asked for the end
  #over = false;
  #along = true; // the chatter reads along at the end
  #onEnd;

  /** Takes over what the page shows of it; `onEnd` is called once the words of the end stand there. */
  constructor(onEnd) {
    this.#onEnd = onEnd;
    const frames = this.#log.adopt();
    this.#talk = {...this.#talk, first: frames.length ? frames[0].seq : boot.first_seq || 1};
    for (const frame of frames) this.#change({type: "frame", frame, at: 0});
    this.#listen();
  }

  open() {
    this.#show();
    this.#toEnd();
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
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing && KEYBOARD.matches) instead(() => this.#write())(event);
    });
    on(main, "click", ({target}) => this.#does(target.closest("[data-does]")?.dataset.does));
    on(document, "visibilitychange", () => this.#lookedAway());
    on(window, "scroll", () => {
      this.#along = this.#atEnd();
      if (this.#along) one("newer").hidden = true;
    });
    on(window, "resize", () => this.#along && this.#toEnd()); // a touch keyboard comes and goes
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
    // A poll is silent while it waits: its silence counts from when it was lost.
    if (line === "here" || (this.#live && transport === "poll")) this.#heard = performance.now();
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
    // Whom nobody came for reads what there is to say in the log, from whoever ended it.
    end.getElementById("thanks").hidden = !(this.#stopping ? this.#helped : this.#talk.state?.employee);
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
    this.#onEnd();
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
      one("typing").textContent = this.#talk.typing && this.#talk.state?.employee ? say("typing", {name: this.#talk.state.employee}) : "";
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
    if (words && place.textContent !== words) put(place, words);
    const {state, employee, peer} = this.#talk.state ?? {};
    one("state").dataset.line = this.#doubted || peer === "lost" ? "lost" : state === "active" && employee ? "here" : "waiting";
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
    if (state === "waiting") return this.#whileWaiting(this.#place(position), now).filter(Boolean).join(" ");
    if (state !== "active") return "";
    if (!employee) return `${say("nobody_holds")} ${say("wait_write")}`;
    if (peer === "lost") return say("employee_lost", {name: employee});
    return say(now - this.#otherBack < RESTORED ? "employee_back" : "here", {name: employee});
  }

  /** The same sentences as waiting.py says without script. */
  #whileWaiting(place, now) {
    if (now >= this.#longAt) return [place, say("wait_long")];
    return boot.waiting.full ? [say("wait_full"), place] : [say("wait_first"), place, say("wait_write")];
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

  /** Where somebody who reads along has scrolled to: beside a touch keyboard that is the box, so that the last words stay in view. */
  #endOfTalk() {
    const end = ROOMY.matches || this.#over ? document.documentElement.scrollHeight : one("small").offsetTop;
    return end - innerHeight;
  }

  #atEnd() {
    return scrollY >= this.#endOfTalk() - NEAR;
  }

  #toEnd() {
    one("newer").hidden = true;
    scrollTo(0, this.#endOfTalk());
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
