// Questions inside the page, and the list of keys. Asked once, answered by a button that says what it does.

import {html, useState} from "./html.js";
import {isEnded} from "./desk.js";
import {Dialog} from "./dialog.js";
import {Leaving} from "./leaving.js";
import {Transfer} from "./transfer.js";
import {nameOf, say} from "./words.js";
import {KEYS} from "./keys.js";

function End({one, act, close}) {
  const [failed, setFailed] = useState(false);
  const unsent = one.talk.outbox.length;
  const yes = () => {
    if (act.end(one.id)) close();
    else setFailed(true);
  };
  return html`<${Dialog} title=${say("end_title", {name: nameOf(one)})} close=${close}>
    <p>${say("end_text", {name: nameOf(one)})}</p>
    ${unsent > 0 && html`<p class="trouble">▲ ${say("end_unsent", {n: unsent})}</p>`}
    ${one.draft.trim() && html`<p class="trouble">▲ ${say("end_draft")}</p>`}
    ${failed && html`<p class="trouble" role="alert">▲ ${say("no_line")}</p>`}
    <div class="dialog-buttons">
      <button type="button" class="primary" onClick=${yes}>${say("end_yes")}</button>
      <button type="button" autofocus onClick=${close}>${say("end_no")}</button>
    </div>
  <//>`;
}

function Keys({screen, act, close}) {
  return html`<${Dialog} title=${say("keys")} close=${close}>
    <table class="key-list"><tbody>
      ${KEYS.map(({shown, what}) => html`<tr key=${what}><th scope="row">${shown.map((key) => html`<kbd>${key}</kbd> `)}</th><td>${say(what)}</td></tr>`)}
    </tbody></table>
    <p class="quiet">${say("keys_box")}</p>
    <p><label><input type="checkbox" checked=${screen.letters} onChange=${(event) => act.show({letters: event.target.checked})} /> ${say("keys_letters")}</label></p>
    <div class="dialog-buttons"><button type="button" class="primary" autofocus onClick=${close}>${say("close")}</button></div>
  <//>`;
}

export function Dialogs({desk, screen, act}) {
  const {dialog} = screen;
  const close = () => act.show({dialog: null});
  if (dialog?.ask === "keys") return html`<${Keys} screen=${screen} act=${act} close=${close} />`;
  if (dialog?.ask === "leaving" && desk.leaving) return html`<${Leaving} key="leaving" desk=${desk} screen=${screen} act=${act} close=${close} />`;
  const one = desk.held[dialog?.conversation];
  if (!one || isEnded(one)) return dialog?.back ? html`<${Dialogs} desk=${desk} screen=${{...screen, dialog: dialog.back}} act=${act} />` : null;
  if (dialog.ask === "end") return html`<${End} key=${one.id} one=${one} act=${act} close=${close} />`;
  return html`<${Transfer} key=${`transfer-${one.id}`} one=${one} desk=${desk} act=${act} close=${() => act.show({dialog: dialog.back})} />`;
}
