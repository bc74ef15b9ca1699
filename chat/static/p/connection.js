// A line to the server that comes back by itself (reliability.md, section 2); knows the transports, no page and no conversation.
//
// By WebSocket; where that does not get through and `poll` is given, by long polling, one transport at a time.
// Times are milliseconds of the browser's steady clock, `numbers` are seconds as the server gave them.

const PROTOCOL = "geruisloos.v1";
const FINAL = new Set([4401, 4403, 4404, 4409]); // trying again would give the same answer
const RESTARTS = new Set([1001, 1012, 4012]); // everybody was cut at once: come back spread
const FINAL_STATUS = new Map([[401, 4401], [403, 4403], [404, 4404]]);
const POLL_PAUSE = 1_000; // ms between two polls that brought nothing, should a server answer without waiting
const POLL_PATIENCE = 10_000; // ms beyond the agreed wait before a poll counts as lost

export class Connection {
  #path;
  #hello;
  #onFrame;
  #onStatus;
  #numbers;
  #poll;

  #status = {line: "closed", since: 0, code: null, transport: "socket"};
  #socket = null; // the WebSocket that is alive or being tried
  #polling = null; // the AbortController of the running poll loop
  #blocked = false; // WebSockets do not get through here
  #failures = []; // moments of WebSocket failures since the last frame
  #tries = 0; // reconnects since the line was last stable
  #ended = false; // the one conversation of this line is over: 1000 is final now
  #timers = {retry: 0, silence: 0, stable: 0, socket: 0, poll: 0};
  #posts = Promise.resolve(); // messages by HTTP go one after the other, in order
  #online = () => this.#retryNow();

  /**
   * @param {string} path the socket's path on this host
   * @param {() => object} hello the `hello` frame, asked anew at each connect
   * @param {(frame: object) => void} onFrame every frame, from either transport
   * @param {(status: {line: "connecting" | "here" | "lost" | "closed", since: number, code: number | null, transport: "socket" | "poll"}) => void} onStatus
   * @param {{address: string, end: string, post: (address: string, body: object) => Promise<Response>} | null} poll
   */
  constructor({path, hello, onFrame, onStatus, numbers, poll = null}) {
    this.#path = path;
    this.#hello = hello;
    this.#onFrame = onFrame;
    this.#onStatus = onStatus;
    this.#numbers = numbers;
    this.#poll = poll;
  }

  /** Connects and keeps trying; never gives up by itself. */
  open() {
    if (this.#status.line !== "closed") return;
    this.#ended = false;
    globalThis.addEventListener?.("online", this.#online);
    this.#say("connecting");
    this.#trySocket();
  }

  /** Hands a frame to a live line; false when there is none or this transport can't carry it. */
  send(frame) {
    if (this.#status.line !== "here") return false;
    if (this.#status.transport === "poll") return this.#post(frame);
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Ends the line by decision. */
  close() {
    this.#finish(null);
  }

  // the socket

  #trySocket() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${this.#path}`, PROTOCOL);
    this.#socket = socket;
    // A proxy that lets the upgrade hang must have failed often enough before `poll_within` is over.
    const patience = (this.#numbers.poll_within / (this.#numbers.poll_after_failures + 1)) * 1000;
    this.#after("socket", patience, () => this.#drop(socket));
    socket.onopen = () => socket.send(JSON.stringify(this.#hello()));
    socket.onmessage = ({data}) => this.#heard(socket, data);
    socket.onclose = ({code}) => this.#socketGone(socket, code);
  }

  #heard(socket, data) {
    if (socket !== this.#socket) return;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    const live = this.#status.line === "here" && this.#status.transport === "socket";
    if (!live && frame.type === "refused") return this.#drop(socket); // even `hello` is too much for the server now
    if (!live) {
      clearTimeout(this.#timers.socket);
      this.#stopPolling();
      this.#blocked = false;
      this.#failures = [];
      this.#after("stable", this.#numbers.stable * 1000, () => (this.#tries = 0));
      this.#say("here", "socket");
    }
    this.#after("silence", this.#numbers.silence * 1000, () => this.#drop(socket));
    if (frame.type === "pong") socket.send('{"type":"ping"}'); // at once: the server drives, our timers are slow in a hidden tab
    this.#deliver(frame);
  }

  /** Does not wait for a close that a dead line never confirms. */
  #drop(socket) {
    if (socket !== this.#socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#socketGone(socket, 1006);
  }

  #socketGone(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    for (const timer of ["silence", "stable", "socket"]) clearTimeout(this.#timers[timer]);
    if (FINAL.has(code) || (code === 1000 && this.#ended)) return this.#finish(code);
    const now = performance.now();
    this.#failures = [...this.#failures, now].filter((moment) => now - moment <= this.#numbers.poll_within * 1000);
    if (this.#failures.length >= this.#numbers.poll_after_failures) this.#blocked = true;
    if (this.#polling) return this.#laterSocket(); // it was only a try beside the polling that works
    this.#say("lost", "socket", code);
    if (this.#blocked && this.#poll) this.#startPolling();
    else this.#later(code);
  }

  /** Full jitter, so that a release does not bring everybody back at once. */
  #later(code) {
    const {first_reconnect, restart_reconnect, reconnect_base, reconnect_most} = this.#numbers;
    const most =
      this.#tries === 0
        ? RESTARTS.has(code) ? restart_reconnect : first_reconnect
        : Math.min(reconnect_most, reconnect_base * 2 ** this.#tries);
    this.#tries = Math.min(this.#tries + 1, 10);
    this.#after("retry", Math.random() * most * 1000, () => this.#trySocket());
  }

  #retryNow() {
    if (this.#status.line !== "lost" || this.#socket || this.#polling) return;
    clearTimeout(this.#timers.retry);
    this.#trySocket();
  }

  // long polling

  #startPolling() {
    this.#polling = new AbortController();
    this.#laterSocket();
    this.#pollOn(this.#polling.signal);
  }

  #stopPolling() {
    if (!this.#polling) return;
    this.#polling.abort();
    this.#polling = null;
    for (const timer of ["retry", "poll"]) clearTimeout(this.#timers[timer]);
  }

  #laterSocket() {
    this.#after("retry", this.#numbers.websocket_retry * 1000, () => this.#trySocket());
  }

  async #pollOn(stop) {
    let version = null;
    let wait = 0; // the first answer says that this way works, so it may not be waited for
    while (!stop.aborted) {
      const asked = performance.now();
      const query = new URLSearchParams({after: this.#hello().after, wait, ...(version !== null && {version})});
      let body;
      this.#after("poll", wait * 1000 + POLL_PATIENCE, () => this.#pollGone());
      try {
        const response = await fetch(`${this.#poll.address}?${query}`, {
          headers: {Accept: "application/json"},
          cache: "no-store",
          signal: stop,
        });
        if (stop.aborted) return;
        if (FINAL_STATUS.has(response.status)) return this.#finish(FINAL_STATUS.get(response.status));
        if (!response.ok) throw new Error(response.status);
        body = await response.json();
      } catch {
        if (!stop.aborted) this.#pollGone();
        return;
      }
      if (stop.aborted) return;
      if (this.#status.line !== "here") this.#say("here", "poll");
      const news = body.version !== version || body.entries.length > 0;
      this.#unfold(body);
      if (stop.aborted) return;
      if (this.#ended) return this.#finish(1000);
      version = body.version;
      wait = this.#numbers.poll_wait;
      if (!news && performance.now() - asked < POLL_PAUSE) await new Promise((done) => setTimeout(done, POLL_PAUSE));
    }
  }

  /** A poll's body as the frames that the socket would have brought. */
  #unfold({entries, state, first_seq, last_seq, call, steps}) {
    this.#deliver({type: "welcome", state: state.state, first_seq, last_seq});
    for (const entry of entries) this.#deliver({...entry, type: "entry"});
    this.#deliver({...state, type: "state"});
    if (call) this.#deliver({...call, type: "call"});
    if (steps) this.#deliver({...steps, type: "steps"});
  }

  /** Neither way works: that is the network or the server, so both are tried in turn. */
  #pollGone() {
    this.#stopPolling();
    this.#say("lost", "poll");
    if (!this.#socket) this.#later(null); // else the end of the try that is under way decides
  }

  #post(frame) {
    if (frame.type === "ping") return true; // an open poll is a sign of life
    if (frame.type === "end") {
      this.#poll.post(this.#poll.end, {}).catch(() => {}); // the person sees that nothing ended, and asks again
      return true;
    }
    if (frame.type !== "send") return false;
    const {id, text} = frame;
    const stop = this.#polling.signal;
    this.#posts = this.#posts.then(async () => {
      if (stop.aborted) return;
      try {
        const answer = await this.#poll.post(this.#poll.address, {id, text});
        this.#deliver(await answer.json());
      } catch {
        // no answer: the outbox sends the same id again
      }
    });
    return true;
  }

  // both

  #deliver(frame) {
    const over = (frame.type === "state" || frame.type === "welcome") && frame.state === "ended";
    if (over && frame.conversation === undefined) this.#ended = true; // a line that carries many conversations does not end with one
    if (this.#status.line !== "closed") this.#onFrame(frame);
  }

  #finish(code) {
    if (this.#status.line === "closed") return;
    globalThis.removeEventListener?.("online", this.#online);
    this.#stopPolling();
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#say("closed", this.#status.transport, code);
  }

  #say(line, transport = this.#status.transport, code = null) {
    const since = line === this.#status.line ? this.#status.since : performance.now();
    this.#status = {line, since, code, transport};
    this.#onStatus(this.#status);
  }

  #after(timer, ms, act) {
    clearTimeout(this.#timers[timer]);
    this.#timers[timer] = setTimeout(act, ms);
  }
}
