// The one place where HTML of our own server becomes part of the workspace, under the one Trusted Types policy (X1, S9).

const same = {createHTML: (text) => text};
const policy = globalThis.trustedTypes?.createPolicy("fragments", same) ?? same; // a browser without Trusted Types has no policies

/** The nodes of an answer that is HTML from this very origin. Scripts in it do not run. */
export async function fragment(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (new URL(response.url).origin !== location.origin || !type.startsWith("text/html")) throw new Error("not a fragment of ours");
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(await response.text());
  return template.content;
}
