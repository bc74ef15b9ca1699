// What has to be told in words until it is put away: refusals, what is gone, and texts that never arrived.

import {html, useState} from "./html.js";
import {nameOf, say} from "./words.js";

function words(notice) {
  switch (notice.kind) {
    case "gone":
      return say(`gone_${notice.reason}`, {name: nameOf(notice)});
    case "refused":
    case "duty":
      return notice.detail || say("failed");
    default:
      return say(notice.kind);
  }
}

/** A button that copies a text, and says that it did. */
export function Copy({text}) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true), () => {});
  return html`<button type="button" class="copy" onClick=${copy}>${copied ? say("copied") : say("copy")}</button>`;
}

function Leftover({left, act}) {
  return html`<li class="notice-item leftover">
    <p><b>${say(left.of === "registration" ? "leftover_registration" : "leftover", {name: nameOf(left)})}</b></p>
    <textarea readOnly rows="4" aria-label=${say("leftover_text")} value=${left.text}></textarea>
    <div class="notice-buttons">
      <${Copy} text=${left.text} />
      <button type="button" onClick=${() => act.putAway(left.id)}>${say("throw_away")}</button>
    </div>
  </li>`;
}

export function Notices({desk, act}) {
  return html`<ul role="list" class="notices" aria-label=${say("notices")} aria-live="polite">
    ${desk.notices.map((notice) => html`<li key=${notice.id} class="notice-item" data-kind=${notice.kind}>
      <p>${words(notice)}</p> <button type="button" onClick=${() => act.putAway(notice.id)}>${say("understood")}</button>
    </li>`)}
    ${desk.leftovers.map((left) => html`<${Leftover} key=${left.id} left=${left} act=${act} />`)}
  </ul>`;
}
