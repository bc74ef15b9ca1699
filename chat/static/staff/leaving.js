// Leaving duty well (process 1.2, step Handover): who can take over, what becomes of each conversation, and when one may go.
// The server decides that; this only shows it, and may be put aside meanwhile.

import {html, useState} from "./html.js";
import {colleague, offeredTo, progress, running} from "./desk.js";
import {Dialog} from "./dialog.js";
import {roomWords} from "./side.js";
import {calling} from "./top.js";
import {whyNot} from "./transfer.js";
import {nameOf, say} from "./words.js";

const SIGNS = {still: "○", asked: "→", transferred: "■", requeued: "■", ended: "■", registered: "■"};

/** A colleague who could take over, and the one press that asks for everything. */
function Successor({one, mine, ask}) {
  const all = mine.length > 0 && mine.every((held) => offeredTo(held) === one.id);
  return html`<li class="successor">
    <p><span aria-hidden="true">${one.on_telephone ? "☎" : "●"}</span> <b>${one.name}</b> <span class="quiet">${roomWords(one)}</span></p>
    ${mine.length > 0 && (all ? html`<p>→ ${say("leave_asked_all")}</p>`
      : html`<button type="button" onClick=${() => ask(one.id)}>${say("leave_ask_all", {colleague: one.name})}</button>`)}
  </li>`;
}

/** What became of one conversation so far, in words. */
function standing({one, how, colleague: by}, desk) {
  if (how === "transferred") return by ? say("leave_taken_by", {colleague: by}) : say("leave_taken");
  if (how === "requeued") return say("leave_requeued");
  if (how !== "still") return say("leave_ended");
  if (offeredTo(one) === null) return say("leave_still");
  const asked = colleague(desk, offeredTo(one));
  return asked ? say("leave_asked", {colleague: asked.name}) : say("waits_for_nobody");
}

function Row({row, desk, act}) {
  const asked = row.how === "still" && offeredTo(row.one) !== null;
  return html`<li class="leave-row" data-how=${row.how}>
    <p><span aria-hidden="true">${SIGNS[asked ? "asked" : row.how]}</span> <b id=${`leave-${row.id}`}>${nameOf(row)}</b> <span>${standing(row, desk)}</span></p>
    ${row.how === "still" && html`<button type="button" aria-describedby=${`leave-${row.id}`}
      onClick=${() => act.askWhom(row.id, {ask: "leaving"})}>${say(asked ? "ask_another" : "leave_pick")}</button>`}
    ${row.one?.notPassed && html`<p class="trouble" role="alert">▲ ${whyNot(row.one.notPassed)}</p>`}
  </li>`;
}

export function Leaving({desk, screen, act, close}) {
  const {duty, line, leaving} = desk;
  const [failed, setFailed] = useState(false);
  const there = duty.colleagues.filter((one) => one.connected);
  const rows = progress(desk);
  const calls = calling(desk, act).length;
  // What we know is old without a line; then the server is asked all the same.
  const may = duty.may_leave || line.line !== "here";
  const title = say(leaving.then === "logout" ? "leave_title_logout" : "leave_title_end");
  return html`<${Dialog} title=${title} close=${close} calm>
    <div role="status" class="leave-may">
      ${duty.may_leave ? html`<p class="may">■ <b>${say("leave_may")}</b></p>` : html`<p class="trouble">▲ <b>${say("leave_not_yet")}</b> ${duty.reason}</p>`}
    </div>
    <div role="alert">
      ${line.line !== "here" && html`<p class="trouble">○ ${say("leave_line")}</p>`}
      ${(screen.dialog.refused || failed) && !duty.may_leave && screen.dialog.refused !== duty.reason && html`<p class="trouble">▲ ${failed ? say("no_line") : screen.dialog.refused}</p>`}
      ${calls > 0 && html`<p class="trouble">▣ ${say("leave_calls", {n: calls})}</p>`}
    </div>
    <h3>${say("leave_who")}</h3>
    ${!there.length && html`<p>${say("leave_nobody")}</p>`}
    <ul role="list" class="leave-list" aria-label=${say("leave_who")}>
      ${there.map((one) => html`<${Successor} key=${one.id} one=${one} mine=${running(desk)} ask=${(id) => setFailed(!act.transferAll(id))} />`)}
    </ul>
    <h3>${say("leave_mine")}</h3>
    ${!rows.length && html`<p>${say("leave_none")}</p>`}
    <ul role="list" class="leave-list" aria-label=${say("leave_mine")}>
      ${rows.map((row) => html`<${Row} key=${row.id} row=${row} desk=${desk} act=${act} />`)}
    </ul>
    ${!duty.may_leave && html`<p class="quiet">${say("leave_coordinator")}</p>`}
    <div class="dialog-buttons">
      <button type="button" class="primary" aria-disabled=${!may} onClick=${() => may && act.goNow(leaving.then)}>
        ${screen.busy ? say("busy") : say("leave_now")}</button>
      <button type="button" onClick=${close}>${say("leave_aside")}</button>
      <button type="button" onClick=${act.stay}>${say("leave_stay")}</button>
    </div>
  <//>`;
}
