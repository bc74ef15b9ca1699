// What an employee can do, each as one sentence; the only place that speaks to the line and to the server.

import {Connection} from "../p/connection.js";
import {refusal} from "../p/outbox.js";
import {addressed, fresh, hello, isEnded, missed, offeredTo, outgoing, reduce, running} from "./desk.js";
import {Bell, trial} from "./bell.js";
import {RegistrationForm} from "./registration.js";
import {ask, LoggedOut, renew} from "./requests.js";
import {boot, learn, say, steady, wall} from "./words.js";

const {numbers} = boot;
const LINE_STATUS = 15_000; // ms between two looks at whether the line is open: an administrator may close it at any moment

export class Actions {
  desk = fresh(numbers.resend);
  /** What belongs to this screen alone: which area shows when not all fit, which question is asked, what is being done. */
  screen = {area: "lists", dialog: null, busy: null, trial: null, bell: null, hours: boot, letters: true, relogin: null, focus: null};

  #draw;
  #forms = new Map();
  #line = null;
  #lastTyped = new Map();
  #askedAgain = "";

  /** @param {() => void} draw called after each change */
  constructor(draw) {
    this.#draw = draw;
    this.bell = new Bell(draw);
  }

  begin() {
    for (const {employee, ...one} of boot.taken ?? []) {
      this.tell({kind: "gone", reason: employee ? "transferred" : "requeued", colleague: employee, ordinal: 1, ...one});
    }
    this.#connect();
    setInterval(() => this.#round(), 1000);
    this.#lookAtHours();
    setInterval(() => this.#lookAtHours(), LINE_STATUS);
  }

  // duty

  startDuty = async () => {
    const response = await this.#ofDuty("start", "/staff/duty/start/");
    if (response?.ok) this.#show({focus: {on: "queue"}, trial: trial(this.screen.trial)});
  };

  endDuty = () => this.#wantToGo("end");
  logOut = () => this.#wantToGo("logout");

  /** At once when one may; otherwise what has to be done before is shown, until one may. */
  #wantToGo(then) {
    const {duty} = this.desk;
    return duty?.on_duty && !duty.may_leave ? this.showLeaving(then) : this.goNow(then);
  }

  goNow = async (then) => {
    const response = await (then === "logout" ? this.#ofDuty("logout", "/staff/logout/") : this.#ofDuty("end", "/staff/duty/end/"));
    if (response?.type === "opaqueredirect") location.assign("/staff/login/");
    else if (response?.ok) this.#show({dialog: null});
  };

  /** Shows what is still to be handed over; `refused` is why the server did not let go just now. */
  showLeaving = (then, refused = "") => {
    this.#happen({type: "leaving", then});
    this.#show({dialog: {ask: "leaving", refused}});
  };

  stay = () => {
    this.#happen({type: "staying"});
    this.#show({dialog: null});
  };

  async #ofDuty(busy, path) {
    if (this.screen.busy) return null;
    this.#show({busy});
    try {
      await this.#saveAll();
      const response = await ask(path, {method: "POST", redirect: "manual"});
      if (response.status === 409) this.#mayNot(busy, await response.json());
      else if (response.status >= 400) this.#failed();
      return response;
    } catch (error) {
      this.#failed(error);
      return null;
    } finally {
      this.#show({busy: null});
    }
  }

  #mayNot(busy, no) {
    if (this.desk.duty?.on_duty && busy !== "start") this.showLeaving(busy, no.detail);
    else this.tell({kind: "duty", ...no});
  }

  /** On the telephone, or no longer: then there is no room for chats of other regions. */
  phone = () => {
    const {duty} = this.desk;
    if (!duty?.on_duty) return;
    const busy = !duty.on_telephone;
    if (!this.#line.send({type: "phone", busy})) return this.tell({kind: "no_line"});
    this.#happen({type: "phoning", busy, at: steady()});
  };

  /** I take care of this alarm; the answer is the next `alarms` frame. */
  takeAlarm = (alarm) => this.#line.send({type: "take_alarm", alarm}) || this.tell({kind: "no_line"});

  // conversations

  accept = (conversation) => {
    if (conversation in this.desk.asked) return;
    if (!this.#line.send({type: "accept", conversation})) return this.tell({kind: "no_line"});
    this.#happen({type: "asked", conversation, at: steady(), wall: wall()});
  };

  /** Whose turn it is: the queue comes in the order in which to take it. */
  first = () => (this.isQueueFresh() ? this.desk.queue.waiting.find((waiting) => !(waiting.conversation in this.desk.asked)) : undefined);

  acceptFirst = () => {
    const first = this.first();
    if (first) this.accept(first.conversation);
  };

  open = (conversation) => {
    this.#leaveForm();
    this.#happen({type: "opened", conversation});
    this.#show({area: "conversation", focus: {on: "talk"}});
  };

  /** The conversation `by` places further in the list, round the end. */
  openNext = (by) => {
    const all = [...running(this.desk), ...Object.values(this.desk.held).filter(isEnded)].map((one) => one.id);
    if (!all.length) return;
    const here = all.indexOf(this.desk.open);
    this.open(all[(here + by + all.length) % all.length]);
  };

  draft = (conversation, text) => {
    this.#happen({type: "drafted", conversation, text});
    this.#typing(conversation, text);
  };

  /** Sends what stands in the box of this conversation; the answer is why not: null, "empty" or "too_long". */
  send = (conversation) => {
    const one = this.desk.held[conversation];
    const why = refusal(one.draft, numbers);
    if (why || isEnded(one) || one.talk.state?.peer === "left") return why;
    this.#happen({type: "written", conversation, id: crypto.randomUUID(), at: steady()});
    this.#lastTyped.delete(conversation);
    this.#round();
    return null;
  };

  seen = (conversation, seq) => {
    if (this.desk.held[conversation]?.seen >= seq) return;
    this.#happen({type: "seen", conversation, seq});
    this.#round();
  };

  end = (conversation) => {
    const one = this.desk.held[conversation];
    if (!one || !this.#line.send(addressed(one, {type: "end"}))) return false;
    this.#happen({type: "ending", conversation, at: steady()});
    return true;
  };

  note = (conversation, text) => this.#happen({type: "noted", conversation, text});
  putNoteAway = (conversation) => this.#happen({type: "note_away", conversation});

  /** Asks which colleague is to take it over; `back` is the question to go back to afterwards. */
  askWhom = (conversation, back = null) => {
    const one = this.desk.held[conversation];
    if (one && !isEnded(one)) this.#show({dialog: {ask: "transfer", conversation, back}});
  };

  /** Asks a colleague to take this conversation over; false when there is no line. */
  transfer = (conversation, to) => {
    const one = this.desk.held[conversation];
    const frame = {type: "transfer", to, note: one.forColleague.trim()};
    if (!this.#line.send(addressed(one, frame))) return false;
    this.#happen({type: "passing", conversation, to, at: steady()});
    return true;
  };

  /** Asks a colleague to take everything over that still runs; false when there is no line. */
  transferAll = (to) =>
    running(this.desk).filter((one) => offeredTo(one) !== to && one.passing?.to !== to).every((one) => this.transfer(one.id, to));

  #typing(conversation, text) {
    const one = this.desk.held[conversation];
    const now = steady();
    if (!text.trim() || isEnded(one) || now - (this.#lastTyped.get(conversation) ?? -Infinity) < numbers.typing * 1000) return;
    if (this.#line.send({type: "typing", conversation})) this.#lastTyped.set(conversation, now);
  }

  // the screen

  isQueueFresh = () => {
    const {queue} = this.desk;
    // Both clocks: a computer that slept may have stopped one of them.
    return queue !== null && Math.max(wall() - queue.wall, steady() - queue.at) <= numbers.queue_stale * 1000;
  };

  form = (conversation) => {
    if (!this.#forms.has(conversation)) {
      const form = new RegistrationForm(conversation, this.#draw);
      this.#forms.set(conversation, form);
      form.load();
    }
    return this.#forms.get(conversation);
  };

  #leaveForm() {
    this.#forms.get(this.desk.open)?.flush();
  }

  /** Saves every registration that waits for a pause in the typing, before something is done that needs them whole. */
  #saveAll() {
    return Promise.all([...this.#forms.values()].map((form) => form.flush()));
  }

  /** The page is being left, perhaps for good: whatever waits in a registration goes out. */
  leave = () => this.#saveAll();

  show = (news) => this.#show(news);
  tell = (notice) => this.#happen({type: "told", ...notice});
  putAway = (id) => this.#happen({type: "put_away", id});
  notice = () => this.#happen({type: "noticed", wall: wall()});

  // the line

  #connect() {
    this.#line = new Connection({
      path: "/ws/staff/",
      hello: () => hello(this.desk),
      onFrame: (frame) => this.#heard(frame),
      onStatus: (status) => this.#happen({type: "line", status}),
      numbers,
    });
    this.#line.open();
  }

  /** Somebody has logged in again in another tab: goes on with the same desk, if it is the same employee. */
  comeBack = async () => {
    try {
      if ((await renew()) !== boot.employee.id) return this.#show({relogin: "other"});
      this.#show({relogin: null});
      if (this.desk.line.line === "closed") this.#connect();
      for (const form of this.#forms.values()) if (form.state.line === "logged_out") form.load();
    } catch (error) {
      this.#show({relogin: error instanceof LoggedOut ? "not_yet" : "unreachable"});
    }
  };

  #heard(frame) {
    for (const moment of [frame.at, frame.since, ...(frame.waiting ?? []).map((one) => one.since)]) if (moment) learn(moment);
    const {held, asked, open} = this.desk;
    this.#happen({type: "frame", frame, at: steady(), wall: wall()});
    if (frame.type === "welcome" && frame.conversation in asked) this.#show({area: "conversation", focus: {on: "box"}});
    if (frame.type === "gone" && held[frame.conversation]) {
      this.#clearForm(held[frame.conversation]);
      if (open === frame.conversation) this.#show({focus: {on: "talk"}});
    }
    if (frame.type === "pong") this.#askAgain(frame);
    if (frame.type === "welcome") this.#round();
  }

  #askAgain(pong) {
    const difference = missed(this.desk, pong);
    if (difference && difference !== this.#askedAgain) this.#line.send(hello(this.desk));
    this.#askedAgain = difference;
  }

  #clearForm(one) {
    const text = this.#forms.get(one.id)?.left();
    this.#forms.delete(one.id);
    if (text) this.#happen({type: "left", of: "registration", one, text});
  }

  /** Gives the line what is due, as outbox.js asks for. */
  #round() {
    const at = steady();
    for (const frame of outgoing(this.desk, at)) this.#line.send(frame);
    this.#happen({type: "tick", at});
  }

  // around it

  async #lookAtHours() {
    try {
      const response = await ask(`/status.json?region=${encodeURIComponent(boot.region.slug)}`);
      if (response.ok) this.#show({hours: await response.json()});
    } catch {
      // the words about the line's hours stay as they are; whether we are connected is said elsewhere
    }
  }

  #failed(error) {
    const {dialog} = this.screen;
    if (error instanceof LoggedOut) this.#show({relogin: "needed", dialog: null});
    else if (dialog?.ask === "leaving") this.#show({dialog: {...dialog, refused: say("failed")}});
    else this.tell({kind: "failed"});
  }

  #happen(event) {
    this.desk = reduce(this.desk, event);
    this.#draw();
  }

  #show(news) {
    this.screen = {...this.screen, ...news};
    this.#draw();
  }
}
