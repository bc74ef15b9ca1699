// What asks for somebody's care in this region. It has a place of its own, so that nothing else moves when it comes or goes.

import {html, useState} from "./html.js";
import {say, steady, wall, when} from "./words.js";

const TOLD = 10_000; // ms for which a new one is said to who does not see the screen
// To be looked at, and no alarm: red stays for what leaves somebody without help now.
const WARNINGS = ["late", "override", "flood", "clavis"];
const KINDS = [...WARNINGS, "nobody_on_duty", "nobody_available", "waiting_offered_to_nobody", "interrupted", "danger", "watch_dead"];
const UNTAKEABLE = ["watch_dead"]; // it is over when the watch lives again, whoever looks

const isAlarm = ({kind}) => !WARNINGS.includes(kind);
const urgency = (one) => (one.taken_by ? 2 : isAlarm(one) ? 0 : 1);

/** All that stand: what nobody cares for yet before the rest, alarms before warnings, the oldest first within each. */
export const standing = (desk) => [...(desk.alarms ?? [])].sort((a, b) => urgency(a) - urgency(b) || Date.parse(a.since) - Date.parse(b.since));

/** The alarms that nobody has taken. */
export const untaken = (desk) => (desk.alarms ?? []).filter((one) => isAlarm(one) && !one.taken_by);

/** What stands and nobody has taken, by the worst of it: "alarm" | "warning" | "" */
export const stands = (desk) => (untaken(desk).length ? "alarm" : (desk.alarms ?? []).some((one) => !one.taken_by) ? "warning" : "");

/** What it is called before its words. */
export const rankWord = (alarm) => say(isAlarm(alarm) ? "alarm" : "warning");

/** In words: what is the matter, and whom it is about. */
export function alarmWords({kind, about, words}) {
  if (!KINDS.includes(kind)) return say("alarm_unknown");
  return say(`alarm_${kind}`, {name: about || say("somebody"), words: words || say("no_reason")});
}

/** What came a moment ago and has to be said aloud, once. */
export const justCome = (desk) => (desk.alarms ?? []).filter((one) => !one.taken_by && steady() - one.came < TOLD);

function Alarm({alarm, take}) {
  const red = isAlarm(alarm);
  return html`<li class="alarm" data-red=${red} data-taken=${Boolean(alarm.taken_by)}>
    <p class="alarm-sign"><span aria-hidden="true">${alarm.taken_by ? "✓" : red ? "▲" : "◆"}</span> <b>${rankWord(alarm)}</b></p>
    <div class="alarm-words">
      <p>${alarmWords(alarm)}</p>
      <p class="alarm-since">${say("since", {time: when(alarm.since, wall())})}${alarm.taken_by && html` · <b>${say("taken_by", {name: alarm.taken_by})}</b>`}</p>
    </div>
    ${!alarm.taken_by && !UNTAKEABLE.includes(alarm.kind) && html`<button type="button" onClick=${() => take(alarm.alarm)}>${say("take_alarm")}</button>`}
  </li>`;
}

/** The fixed place. It shows the most pressing one; the others are reached by scrolling, or all together over what stands below. */
export function Alarms({desk, act}) {
  const [whole, setWhole] = useState(false);
  const all = standing(desk);
  const more = all.length > 1 || all.some(({words}) => words); // more than its place can hold
  return html`<section class="alarms" data-stands=${stands(desk)} data-whole=${whole && more}>
    <h2 class="aside" id="alarms-title" tabindex="-1">${say("alarms")}</h2>
    <ul role="list" class="alarm-list" aria-label=${say("alarms")}>
      ${all.map((alarm) => html`<${Alarm} key=${alarm.alarm} alarm=${alarm} take=${act.takeAlarm} />`)}
    </ul>
    ${!all.length && html`<p class="quiet">${act.isQueueFresh() ? say("alarms_none") : say("alarms_not_known")}</p>`}
    ${more && html`<button type="button" class="alarms-all" aria-expanded=${whole} onClick=${() => setWhole(!whole)}>
      ${whole ? say("alarms_fold") : all.length > 1 ? say("alarms_all", {n: all.length}) : say("alarms_more")}</button>`}
  </section>`;
}
