// What makes an employee look up who looks elsewhere: a sound and a notification of the computer, each only when switched on here.
//
// Never alone: whatever is heard stands on the screen too. Of what is kept in the browser there are these two switches, and no person.

import {html} from "./html.js";
import {say, steady} from "./words.js";

const AGAIN = [15_000, 7_000, 3_000]; // ms between two rings: the longer somebody waits, the more often
const SHOWN = 20_000; // ms for which a trial shows the frame
const ONCE = ["trial", "alarm"];
// Hertz, one tone after the other: up for a person, down for a line that has gone.
const TONES = {new: [660, 880], trial: [660, 880], alarm: [880, 660, 880], line: [440, 330], stale: [440, 330]};
const TONE = 0.18; // seconds
const VOLUME = 0.25; // of what this computer is set to
const SOUND = "sound";
const MESSAGES = "messages";

/** Rings as long as something calls; knows no desk and no person. */
export class Bell {
  sound = kept(SOUND);
  messages = kept(MESSAGES) && allowed() === "granted";
  /** Why a switch is not on although somebody wanted it: "refused" by the browser, "unable", or null. */
  trouble = {sound: null, messages: kept(MESSAGES) && allowed() !== "granted" ? "refused" : null};

  #draw;
  #context = null;
  #shown = null;
  #last = quiet;
  #rangAt = -Infinity;

  /** @param {() => void} draw called when what is said of the switches changes */
  constructor(draw) {
    this.#draw = draw;
    // A browser lets a page be heard only after a key or a click, once for each time it is loaded.
    for (const gesture of ["pointerdown", "keydown"]) document.addEventListener(gesture, this.#wake, {capture: true, passive: true});
    addEventListener("pagehide", () => this.#away());
  }

  /** Is the sound on, and waits for a key or a click until it can be heard? */
  get isMute() {
    return this.sound && this.#context?.state !== "running";
  }

  /** Called by a gesture: only then a browser allows it. */
  switchSound(on) {
    this.sound = on && "AudioContext" in globalThis;
    this.trouble = {...this.trouble, sound: on && !this.sound ? "unable" : null};
    keep(SOUND, this.sound);
    this.#wake();
    this.#draw();
  }

  /** Asks the browser, which asks the employee: nothing does before somebody wants it. */
  async switchMessages(on) {
    if (on && allowed() === "default") await Notification.requestPermission();
    this.messages = on && allowed() === "granted";
    this.trouble = {...this.trouble, messages: on && !this.messages ? (allowed() === "unable" ? "unable" : "refused") : null};
    keep(MESSAGES, this.messages);
    if (!this.messages) this.#away();
    this.#draw();
  }

  /**
   * What calls now, told at every drawing: `kind` as in TONES or "", `level` 0 to 2 by how long somebody waits, `about` names of what calls.
   * Rings at once for what is new and for a higher level, then again and again until nothing calls.
   */
  follow({kind, level, about}) {
    const last = this.#last;
    this.#last = {kind, level, about};
    if (!kind) return this.#away();
    const news = kind !== last.kind || level > last.level || about.some((one) => !last.about.includes(one));
    // Timers of a page behind others stand still for up to a minute; the frames of the line do not, and every frame is drawn.
    if (!news && (ONCE.includes(kind) || steady() - this.#rangAt < AGAIN[level])) return;
    this.#rangAt = steady();
    this.#ring(kind, level);
    if (news) this.#show(kind);
  }

  #wake = () => {
    if (!this.sound) return;
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#context.addEventListener("statechange", () => this.#draw());
    }
    if (this.#context.state !== "running") this.#context.resume().catch(() => {});
  };

  #ring(kind, level) {
    if (!this.sound || this.isMute) return;
    const context = this.#context;
    let at = context.currentTime + 0.02;
    for (const hertz of Array.from({length: level + 1}, () => TONES[kind]).flat()) {
      const tone = context.createOscillator();
      const volume = context.createGain();
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(VOLUME, at + 0.02);
      volume.gain.setValueAtTime(VOLUME, at + TONE - 0.04);
      volume.gain.linearRampToValueAtTime(0, at + TONE);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + TONE);
      at += TONE;
    }
  }

  /** Names nobody and nothing: it stands over whatever else is on this computer, also when somebody shares the screen. */
  #show(kind) {
    if (!this.messages) return;
    this.#away();
    try {
      this.#shown = new Notification(say(`bell_${kind}`), {tag: "desk", requireInteraction: true, silent: true});
      this.#shown.onclick = () => {
        window.focus();
        this.#away();
      };
    } catch {
      this.messages = false; // some browsers allow it to a page and then cannot
      this.trouble = {...this.trouble, messages: "unable"};
    }
  }

  #away() {
    this.#shown?.close();
    this.#shown = null;
  }
}

const quiet = {kind: "", level: 0, about: []};

const allowed = () => ("Notification" in globalThis ? Notification.permission : "unable");

function kept(name) {
  try {
    return localStorage.getItem(name) === "on";
  } catch {
    return false; // a browser that keeps nothing: for this session only
  }
}

function keep(name, on) {
  try {
    if (on) localStorage.setItem(name, "on");
    else localStorage.removeItem(name);
  } catch {
    // as above
  }
}

// ------------------------------------------------------------ the trial of the alarm, and the switches

/** A trial of the alarm: the same frame, the same place and the same sound as for a chat. */
export const trial = (before) => ({number: (before?.number ?? 0) + 1, since: steady()});

/** Does the trial show everything now, and not only its question? */
export const isShown = ({since}) => steady() - since < SHOWN;

/** In the fixed place for what needs a look, as long as nothing real does. */
export const Trial = ({screen, act}) => html`<div class="signal" data-kind=${isShown(screen.trial) ? "trial" : "asked"}>
  <p><span aria-hidden="true">▣</span> <b>${say("trial")}</b> ${say(act.bell.sound ? "trial_hear" : "trial_see")}</p>
  <button type="button" class="primary" onClick=${() => act.show({trial: null})}>${say(act.bell.sound ? "trial_heard" : "trial_seen")}</button>
  <button type="button" onClick=${() => act.show({trial: null, bell: "failed"})}>${say("trial_failed")}</button>
</div>`;

/** Beside the other buttons at the top: whether one is heard, in words. */
export function BellButton({screen, act}) {
  const {bell} = act;
  const state = bell.isMute ? "bell_mute" : bell.sound ? "bell_on" : "bell_off";
  return html`<button type="button" class="bell" data-mute=${bell.isMute} title=${say("bell")} aria-expanded=${Boolean(screen.bell)} onClick=${() => act.show({bell: screen.bell ? null : "open"})}>
    <span aria-hidden="true">♪</span> <span class="aside">${say("bell")}: ${say("sound")} </span>${say(state)}
  </button>`;
}

const Switch = ({name, on, trouble, change}) => html`<div class="bell-switch">
  <label><input type="checkbox" role="switch" checked=${on} onChange=${(event) => change(event.target.checked)} /> ${say(name)}</label>
  ${trouble && html`<p class="trouble" role="status">▲ ${say(`${name}_${trouble}`)}</p>`}
</div>`;

/** The switches, and what to do when the alarm does not work. It holds no focus and covers no list: work goes on beside it. */
export function BellPanel({screen, act}) {
  const {bell} = act;
  if (!screen.bell) return null;
  return html`<section class="bell-panel" aria-labelledby="bell-title">
    <h2 id="bell-title" tabindex="-1">${say("bell")}</h2>
    ${screen.bell === "failed" && html`<div role="status">
      <p><b>${say("trial_help")}</b></p>
      <ul>
        <li>${say("trial_help_frame")}</li>
        <li>${say("trial_help_sound")}</li>
        <li>${say("trial_help_messages")}</li>
        <li>${say("trial_help_last")}</li>
      </ul>
    </div>`}
    <${Switch} name="bell_sound" on=${bell.sound} trouble=${bell.trouble.sound} change=${(on) => bell.switchSound(on)} />
    ${bell.isMute && html`<p class="trouble">▲ ${say("bell_mute_more")}</p>`}
    <${Switch} name="bell_messages" on=${bell.messages} trouble=${bell.trouble.messages} change=${(on) => bell.switchMessages(on)} />
    <p class="quiet">${say("bell_more")}</p>
    <div class="dialog-buttons">
      <button type="button" onClick=${() => act.show({trial: trial(screen.trial)})}>${say("trial_again")}</button>
      <button type="button" class="primary" onClick=${() => act.show({bell: null})}>${say("bell_close")}</button>
    </div>
  </section>`;
}
