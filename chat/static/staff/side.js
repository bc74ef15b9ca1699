// Beside the conversation: its registration, and who else is on duty.

import {html, useLayoutEffect, useRef} from "./html.js";
import {isEnded} from "./desk.js";
import {Mark} from "./held.js";
import {Region} from "./region.js";
import {clockTime, nameOf, say} from "./words.js";

/** Where the form stands with the server, in words. */
function Standing({form, act}) {
  const {state} = form;
  return html`<div role="status" class="standing">
    ${state.done && html`<p>■ ${say("registered_now")}</p>`}
    ${state.conflict && html`<div class="trouble"><p>▲ ${state.conflict} ${say("conflict_more")}</p>
      <button type="button" onClick=${() => form.takeNewer()}>${say("take_newer")}</button></div>`}
    ${state.problem === "unreachable" && html`<p class="trouble">▲ ${say("unsaved_retry")}</p>`}
    ${state.problem === "logged_out" && html`<p class="trouble">▲ ${say("unsaved_logged_out")}</p>`}
    ${state.refused && html`<p class="trouble">▲ ${say("unsaved_refused")}</p>`}
    ${!state.done && !state.conflict && !state.problem && !state.refused && html`<p class="quiet">
      ${state.busy ? say("busy") : state.unsaved ? say("saving") : state.saved ? say("saved", {time: clockTime(state.saved)}) : say("saves_itself")}
    </p>`}
    ${state.missing?.length > 0 && html`<p class="still-missing"><b>${say("missing")}</b> ${state.missing.join(" · ")}</p>`}
    ${state.missing?.length === 0 && !state.done && html`<p class="still-missing">■ ${say("missing_nothing")}</p>`}
  </div>`;
}

function Registration({one, act}) {
  const place = useRef(null);
  const form = act.form(one.id);
  useLayoutEffect(() => {
    place.current.replaceChildren(form.place);
  }, [form]);
  const {line} = form.state;
  return html`<div class="registration">
    <div ref=${place} class="scroll registration-scroll" hidden=${line !== "ready"}></div>
    ${line === "ready" && html`<${Standing} form=${form} act=${act} />`}
    ${line === "loading" && html`<p class="quiet">${say("form_coming")}</p>`}
    ${line === "absent" && html`<p class="quiet">${say("form_absent")}</p>`}
    ${["unreachable", "logged_out"].includes(line) && html`<div class="trouble"><p>▲ ${say("form_failed")}</p>
      <button type="button" onClick=${() => form.load()}>${say("again")}</button></div>`}
  </div>`;
}

/** Whether a colleague can be reached, and for how much, in words. */
export function roomWords({connected, room, on_telephone: phones}) {
  if (!connected) return say("colleague_lost");
  if (phones) return say("colleague_phone");
  return room > 0 ? say("colleague_room", {n: room}) : say("colleague_full");
}

function Colleagues({duty}) {
  const all = duty?.colleagues ?? [];
  return html`<section class="part colleagues" aria-labelledby="colleagues-title">
    <h2 id="colleagues-title" tabindex="-1">${say("colleagues")} <span class="number">${all.length}</span></h2>
    ${duty && !all.length && html`<p class="quiet">${say("colleagues_none")}</p>`}
    <ul role="list" class="scroll" aria-label=${say("colleagues")}>${all.map((one) => html`<li key=${one.id} class="colleague">
      <span aria-hidden="true">${!one.connected ? "○" : one.on_telephone ? "☎" : "●"}</span> <b>${one.name}</b> <span class="quiet">${roomWords(one)}</span>
    </li>`)}</ul>
  </section>`;
}

/** @param {object|null} one the conversation in front */
export function Side({one, desk, act}) {
  return html`<aside class="side">
    <section class=${`part side-registration ${one ? `band-${one.band}` : ""}`} aria-labelledby="registration-title">
      <h2 id="registration-title" tabindex="-1">${one && html`<${Mark} one=${one} />`} ${say("registration")}
        ${one && html`<span class="number">${nameOf(one)}${isEnded(one) ? ` · ${say("peer_ended")}` : ""}</span>`}
      </h2>
      ${one ? html`<${Registration} key=${one.id} one=${one} act=${act} />` : html`<p class="quiet">${say("registration_none")}</p>`}
    </section>
    ${one && html`<${Region} key=${`region-${one.id}`} one=${one} />`}
    <${Colleagues} duty=${desk.duty} />
  </aside>`;
}
