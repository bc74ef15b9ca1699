// Above everything: where and who one is, duty, whether the line to the server lives, and the one place for what needs a look now.

import {html} from "./html.js";
import {progress} from "./desk.js";
import {BellButton, isShown, Trial} from "./bell.js";
import {level, LOUD, offerWords, signs, waited} from "./queue.js";
import {boot, clockTime, lasted, nameOf, roleName, say, short, steady, wall, when} from "./words.js";

const AGAIN = 60_000; // ms for which 'I have seen it' quietens a chat that still waits
const BLINK = 2_000; // ms: a shorter loss starts nothing

/** The waiting chats that ask for a look now, the first to take first. */
export function calling(desk, act) {
  if (!desk.duty?.on_duty || !act.isQueueFresh()) return [];
  return desk.queue.waiting.filter((one) => {
    const noticed = desk.noticed[one.conversation];
    return !(one.conversation in desk.asked) && (noticed === undefined || wall() - noticed >= AGAIN);
  });
}

/** How loud that is said: as loud as the longest of these waits asks for. */
export const loudness = (desk, act) => Math.max(0, ...calling(desk, act).map(level));

/** What the workspace has to be looked at for, the most pressing first: "line" | "stale" | "new" | "trial" | "asked" | "" */
export function signal(desk, act) {
  const {line} = desk;
  if (line.line === "closed" || (line.line === "lost" && steady() - line.since > BLINK)) return "line";
  if (desk.duty?.on_duty && desk.queue && !act.isQueueFresh()) return "stale";
  if (calling(desk, act).length) return "new";
  const {trial, bell} = act.screen;
  return trial && (desk.duty?.on_duty || bell) ? (isShown(trial) ? "trial" : "asked") : "";
}

function hoursWords({hours}) {
  if (hours.open) return hours.closes_at ? say("open_until", {time: clockTime(hours.closes_at)}) : say("open");
  return hours.opens_at ? say("closed_until", {time: when(hours.opens_at, wall())}) : say("closed");
}

function dutyWords({duty}) {
  if (!duty) return "";
  return duty.on_duty ? say("on_duty_since", {time: clockTime(duty.since)}) : say("off_duty");
}

function colleagueWords({duty}) {
  if (!duty?.on_duty) return "";
  const there = duty.colleagues.filter((one) => one.connected).length;
  return there ? say("reachable", {n: there}) : say("alone");
}

function lineWords({line, code, since}) {
  if (line === "here") return `● ${say("line_here")}`;
  if (line === "closed") return `✕ ${say(code === 4401 ? "line_logged_out" : "line_closed")}`;
  if (line === "connecting" || steady() - since < BLINK) return `○ ${say("line_connecting")}`;
  return `○ ${say("line_lost")}`;
}

/** Who is on the telephone says so, and has no room for others' chats meanwhile. */
function Phone({desk, act}) {
  const on = Boolean(desk.duty.on_telephone);
  return html`<button type="button" role="switch" class="phone" aria-checked=${on} aria-describedby="phone-help" title=${say("phone_help")} onClick=${act.phone}>
    <span class="track" aria-hidden="true"><span class="knob"></span></span> ${say("phone")}</button>
    <span id="phone-help" class="aside">${say("phone_help")}</span>`;
}

/** While somebody wants to go and has put that aside: how far it is, and the way back to it. */
function Leaving({desk, act}) {
  const all = progress(desk);
  const done = all.filter(({how}) => how !== "still").length;
  const may = desk.duty.may_leave;
  return html`<button type="button" class="leaving" data-may=${may} onClick=${() => act.showLeaving(desk.leaving.then)}>
    ${may ? say("leaving_may") : done < all.length ? say("leaving_on", {done, all: all.length}) : say("leaving_waits")}</button>`;
}

export function Top({desk, screen, act}) {
  const {duty} = desk;
  const mayNot = duty?.on_duty && !duty.may_leave && duty.reason;
  return html`<header class="top">
    <h1 class="aside">${say("title")}</h1>
    <div class="top-words">
      <p><b>${short(boot.region.name)}</b></p>
      <p>${hoursWords(screen)}</p>
      <p class="quiet folds">${boot.employee.name}</p>
      <p class="quiet">${dutyWords(desk)}</p>
      <p class="quiet folds">${colleagueWords(desk)}</p>
      ${duty?.on_telephone && html`<p class="on-phone folds">☎ ${say("phone_on")}</p>`}
      <p class="top-line" role="status" data-line=${desk.line.line}>${lineWords(desk.line)}</p>
    </div>
    <div class="top-buttons">
      <${BellButton} screen=${screen} act=${act} />
      ${boot.may_oversee && html`<a class="button" href="/admin/" target="_blank" rel="noopener">${say("oversight")}</a>`}
      <button type="button" class="keys" aria-label=${say("keys")} title=${say("keys")} onClick=${() => act.show({dialog: {ask: "keys"}})}>?</button>
      ${duty?.on_duty && html`<${Phone} desk=${desk} act=${act} />`}
      ${desk.leaving && screen.dialog?.ask !== "leaving" && html`<${Leaving} desk=${desk} act=${act} />`}
      ${duty?.on_duty && html`<button type="button" aria-describedby=${mayNot ? "may-not" : null} title=${mayNot || null} onClick=${act.endDuty}>
        ${screen.busy === "end" ? say("busy") : say("end_duty")}</button>`}
      <button type="button" onClick=${act.logOut}>${screen.busy === "logout" ? say("busy") : say("log_out")}</button>
      ${mayNot && html`<span id="may-not" class="aside">${mayNot}</span>`}
    </div>
  </header>`;
}

/** The fixed place for what needs a look: it is always there, so that nothing below it moves. */
export function Signal({desk, screen, act}) {
  const kind = signal(desk, act);
  const calls = calling(desk, act);
  const {line} = desk;
  if (screen.relogin || (line.line === "closed" && line.code === 4401)) return html`<${LoggedOut} screen=${screen} act=${act} />`;
  if (kind === "line" && line.line === "closed") return html`<div class="signal" data-kind="line" role="alert">
    <p>✕ <b>${say("closed_for_good")}</b></p><button type="button" onClick=${act.comeBack}>${say("again")}</button></div>`;
  if (kind === "line") return html`<div class="signal" data-kind="line" role="alert">
    <p>○ <b>${say("signal_line")}</b> ${say("signal_line_more")}</p><span aria-hidden="true">${lasted(steady() - line.since)}</span></div>`;
  if (kind === "stale") return html`<div class="signal" data-kind="line" role="alert"><p>▲ <b>${say("stale")}</b> ${say("stale_more")}</p></div>`;
  if (kind === "trial" || kind === "asked") return html`<${Trial} screen=${screen} act=${act} />`;
  const loud = loudness(desk, act);
  if (kind === "new") return html`<div class="signal" data-kind="new" data-loud=${LOUD[loud]}>
    <p><span aria-hidden="true">${signs(loud) || "▣"}</span> <b>${say(loud ? `signal_${LOUD[loud]}` : "signal_new", {n: calls.length})}</b> <${First} waiting=${act.first()} /></p>
    <button type="button" class="primary" onClick=${act.acceptFirst}>${say("accept_first")}</button>
    <button type="button" onClick=${act.notice}>${say("notice")}</button>
  </div>`;
  return html`<div class="signal" data-kind=""><${Calm} desk=${desk} /></div>`;
}

const First = ({waiting}) => html`<span>${nameOf(waiting)}<span class="folds"> · ${offerWords(waiting)} · ${roleName(waiting.role)}</span> · ${say("wait_short")} ${lasted(waited(waiting))}</span>`;

function Calm({desk}) {
  if (!desk.duty || !desk.queue) return html`<p class="quiet">${say("list_coming")}</p>`;
  if (!desk.duty.on_duty) return html`<p class="quiet">${say("calm_off_duty")}</p>`;
  const n = desk.queue.waiting.length;
  return html`<p class="quiet">${n ? say("calm_waiting", {n}) : say("nobody_waits")}</p>`;
}

function LoggedOut({screen, act}) {
  return html`<div class="signal" data-kind="line" role="alert">
    <p>✕ <b>${say("logged_out")}</b> ${say(screen.relogin === "other" ? "logged_out_other" : screen.relogin === "unreachable" ? "failed" : "logged_out_more")}</p>
    <a class="button" href="/staff/login/" target="_blank" rel="noopener">${say("log_in")}</a>
    <button type="button" onClick=${act.comeBack}>${say("go_on")}</button>
  </div>`;
}

