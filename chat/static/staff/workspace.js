// The staff workspace: puts the areas together and keeps the page around them (title, focus) in step.

import {html, render, useEffect, useLayoutEffect} from "./html.js";
import {Actions} from "./actions.js";
import {Alarms, alarmWords, justCome, rankWord, standing, stands, untaken} from "./alarms.js";
import {BellPanel} from "./bell.js";
import {Conversation} from "./conversation.js";
import {isEnded, running, unseen} from "./desk.js";
import {Dialogs} from "./dialogs.js";
import {HeldLists, Switch} from "./held.js";
import {listen} from "./keys.js";
import {Notices} from "./notices.js";
import {LOUD, Queue, signs} from "./queue.js";
import {Side} from "./side.js";
import {calling, loudness, Signal, signal, Top} from "./top.js";
import {boot, nameOf, say} from "./words.js";

const AREAS = ["lists", "conversation", "registration", "colleagues", "alarms"];

/** The bar of a narrow screen: one area at a time, and still how many wait, what is new, and which alarm stands. */
function Areas({desk, screen, act}) {
  const fresh = running(desk).reduce((sum, one) => sum + unseen(one), 0);
  const waiting = act.isQueueFresh() ? desk.queue.waiting.length : "?";
  const number = {lists: desk.duty?.on_duty ? waiting : "", conversation: fresh ? say("unseen", {n: fresh}) : "", alarms: desk.alarms?.length || ""};
  const stand = stands(desk);
  return html`<nav class="areas" aria-label=${say("areas")}>
    ${AREAS.map((area) => html`<button type="button" key=${area} aria-current=${screen.area === area ? "true" : null}
      data-calls=${area === "lists" && waiting > 0} data-stands=${area === "alarms" ? stand : null} onClick=${() => act.show({area})}>
      ${area === "alarms" && html`<span aria-hidden="true">${stand ? "▲ " : "△ "}</span>`}<span class="area-name">${say(`area_${area}`)}</span>
      ${(number[area] ?? "") !== "" && html` <b class="number">${number[area]}</b>`}
      ${area === "alarms" && stand && html`<span class="area-what"> ${alarmWords(standing(desk)[0])}</span>`}
    </button>`)}
  </nav>`;
}

function StartDuty({desk, screen, act}) {
  return html`<div class="start-duty">
    <h2>${say("off_duty_title")}</h2>
    <p>${say("off_duty_text")}</p>
    <button type="button" class="primary large" onClick=${act.startDuty}>${screen.busy === "start" ? say("busy") : say("start_duty")}</button>
    <${Today} desk=${desk} />
  </div>`;
}

/** Who is planned today, and who is there already. */
function Today({desk}) {
  const there = new Set(desk.duty.colleagues.filter((one) => one.connected).map((one) => one.name));
  if (!boot.rota.length) return html`<p class="quiet">${say("rota_none")}</p>`;
  return html`<section class="today" aria-labelledby="today-title">
    <h3 id="today-title">${say("rota")}</h3>
    <ul role="list">${boot.rota.map((shift) => html`<li>
      <b>${shift.time}</b> ${shift.name}${there.has(shift.name) && html` <span class="quiet">● ${say("rota_there")}</span>`}
    </li>`)}</ul>
  </section>`;
}

function Middle({one, desk, screen, act}) {
  const offDuty = desk.duty && !desk.duty.on_duty;
  if (one) return html`<div class="middle"><${Switch} desk=${desk} act=${act} />${offDuty && html`<${StartDuty} desk=${desk} screen=${screen} act=${act} />`}
    <${Conversation} one=${one} desk=${desk} act=${act} /></div>`;
  return html`<main class="middle empty">
    ${offDuty ? html`<${StartDuty} desk=${desk} screen=${screen} act=${act} />`
      : html`<p class="quiet">${desk.duty ? say("middle_empty") : say("line_connecting")}</p>`}
  </main>`;
}

/** The title of the page, which says it also in a row of tabs: what calls, and ahead of it that an alarm stands. */
function titleWords(desk, act) {
  return `${untaken(desk).length ? `▲ ${say("alarm")} · ` : ""}${callWords(desk, act)}`;
}

function callWords(desk, act) {
  const calls = calling(desk, act).length;
  const fresh = running(desk).reduce((sum, one) => sum + unseen(one), 0);
  const kind = signal(desk, act);
  if (kind === "line" || kind === "stale") return `✕ ${say(`title_${kind}`)}`;
  const loud = loudness(desk, act);
  if (calls && loud) return `${signs(loud)} (${calls}) ${say(`title_${LOUD[loud]}`)}`;
  if (calls) return `(${calls}) ${say("title_new")}`;
  return fresh ? `(${fresh}) ${say("title_unseen", {n: fresh})}` : say("title");
}

/** What the bell has to ring for: nothing while somebody is not on duty, but for a trial. */
function call(desk, act) {
  const kind = signal(desk, act);
  const alarms = untaken(desk).map((one) => one.alarm);
  if (kind === "trial") return {kind, level: 0, about: [act.screen.trial.number]};
  if (!desk.duty?.on_duty) return {kind: "", level: 0, about: []};
  if (kind === "new") return {kind, level: loudness(desk, act), about: calling(desk, act).map((one) => one.conversation)};
  if (kind === "line" || kind === "stale") return {kind, level: 0, about: []};
  return {kind: alarms.length ? "alarm" : "", level: 0, about: alarms};
}

/** What somebody who does not see the screen has to be told: new chats at once, the rest when there is time. */
function Told({desk, act}) {
  const calls = calling(desk, act);
  const mayGo = desk.leaving && desk.duty?.may_leave;
  const news = running(desk).filter((one) => one.id !== desk.open && unseen(one) > 0);
  return html`<div class="aside">
    <div role="alert" aria-atomic="false">
      <p>${calls.length > 0 ? say("told_new", {n: calls.length, name: nameOf(calls[0])}) : signal(desk, act) === "trial" && say("trial_told")}</p>
      ${justCome(desk).map((alarm) => html`<p key=${alarm.alarm}>${rankWord(alarm)}: ${alarmWords(alarm)}</p>`)}
    </div>
    <p role="status">${news.map((one) => say("told_unseen", {n: unseen(one), name: nameOf(one)})).join(" ")}</p>
    <p role="status">${mayGo && say("leave_may")}</p>
  </div>`;
}

function focusOn(on, act) {
  if (on === "registration" && act.desk.open) return act.form(act.desk.open).focus();
  const places = {box: ["#box"], queue: [".queue .accept"]}[on] ?? [];
  [...places, "#talk-name", "#queue-title"].map((place) => document.querySelector(place)).find((place) => place?.offsetParent)?.focus();
}

function Workspace({act}) {
  const {desk, screen} = act;
  const one = desk.held[desk.open] ?? null;
  useEffect(() => listen(act), []);
  useLayoutEffect(() => {
    document.title = titleWords(desk, act);
    act.bell.follow(call(desk, act));
  });
  useLayoutEffect(() => {
    if (screen.focus) focusOn(screen.focus.on, act);
  }, [screen.focus]);
  return html`<div class="workspace" data-area=${screen.area} data-signal=${signal(desk, act)} data-loud=${LOUD[loudness(desk, act)]} data-front=${one ? (isEnded(one) ? "ended" : "running") : ""}>
    <${Top} desk=${desk} screen=${screen} act=${act} />
    <${Signal} desk=${desk} screen=${screen} act=${act} />
    <${Alarms} desk=${desk} act=${act} />
    <${Areas} desk=${desk} screen=${screen} act=${act} />
    <div class="lists"><${Queue} desk=${desk} act=${act} /><${HeldLists} desk=${desk} act=${act} /></div>
    <${Middle} one=${one} desk=${desk} screen=${screen} act=${act} />
    <${Side} one=${one} desk=${desk} act=${act} />
    <${BellPanel} screen=${screen} act=${act} />
    <${Notices} desk=${desk} act=${act} />
    <${Dialogs} desk=${desk} screen=${screen} act=${act} />
    <${Told} desk=${desk} act=${act} />
    <div class="frame" aria-hidden="true"></div>
  </div>`;
}

const root = document.getElementById("workspace");
let due = false;

/** Draws once for everything that happened in the same turn. */
function draw() {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    render(html`<${Workspace} act=${act} />`, root);
  });
}

const act = new Actions(draw);
addEventListener("pagehide", act.leave);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && act.leave());
root.replaceChildren();
draw();
act.begin();
