// A question inside the page: it holds the focus while it is open and gives it back afterwards.

import {html, useLayoutEffect, useRef} from "./html.js";

/** `calm`: the focus begins at the title, so that a second press of a key answers nothing. */
export function Dialog({title, close, calm = false, children}) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    if (calm) box.current.querySelector("h2").focus();
    return () => before?.isConnected && before.focus();
  }, []);
  return html`<dialog ref=${box} aria-labelledby="dialog-title" onClose=${close} onCancel=${close}>
    <h2 id="dialog-title" tabindex=${calm ? "-1" : null}>${title}</h2>
    ${children}
  </dialog>`;
}
