// Requests to our own server: with the token, and aware that the session may have ended meanwhile.

/** The session has ended: nothing is lost, somebody has to log in again. */
export class LoggedOut extends Error {}

const field = document.querySelector("[name=csrfmiddlewaretoken]");
const LOGIN = "/staff/login/";
const PATIENCE = 20_000; // ms without an answer until a request counts as lost

/** The server's answer. Throws LoggedOut when the session has ended, and whatever `fetch` throws when there is no answer. */
export async function ask(path, options = {}) {
  const first = await once(path, options);
  if (first.status !== 403 || options.method !== "POST") return first;
  // A login in another tab changed the token; the session may be fine.
  await renew();
  return once(path, options);
}

async function once(path, {method = "GET", body, accept = "application/json", keepalive = false, redirect = "follow"} = {}) {
  body?.delete("csrfmiddlewaretoken"); // an older token in a form would go before the header
  const response = await fetch(path, {
    method,
    body,
    keepalive,
    redirect,
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE),
    headers: {Accept: accept, ...(method === "POST" && {"X-CSRFToken": field.value})},
  });
  if (response.status === 401 || (response.redirected && new URL(response.url).pathname === LOGIN)) throw new LoggedOut();
  return response;
}

/** Takes the token of the present session; says whose it is (an employee's id). Throws LoggedOut. */
export async function renew() {
  const page = await (await once("/staff/", {accept: "text/html"})).text();
  const token = page.match(/name="csrfmiddlewaretoken" value="([^"]+)"/);
  const boot = page.match(/<script id="boot"[^>]*>([^<]*)<\/script>/);
  if (!token || !boot) throw new LoggedOut();
  field.value = token[1];
  return JSON.parse(boot[1]).employee.id;
}
