// Posting without leaving the page.

const PATIENCE = 20_000; // ms after which an answer is no longer waited for

/** Posts an object as JSON, or the fields of a form; a token that has grown old is renewed once. */
export async function post(address, body) {
  const fields = body instanceof URLSearchParams;
  const send = () =>
    within(PATIENCE, (signal) =>
      fetch(address, {
        method: "POST",
        headers: {
          Accept: "application/json",
          "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "",
          ...(!fields && {"Content-Type": "application/json"}),
        },
        body: fields ? body : JSON.stringify(body),
        signal,
      }),
    );
  const answer = await send();
  // An employee who logs in with this browser changes the token: that must not cost a chatter the conversation.
  return answer.status === 403 && (await renewToken()) ? send() : answer;
}

async function renewToken() {
  const page = await within(PATIENCE, (signal) => fetch("/", {headers: {Accept: "text/html"}, signal}).then((answer) => answer.text()));
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(page)?.[1];
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token ?? field.value;
  return Boolean(token);
}

async function within(ms, act) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ms);
  try {
    return await act(stop.signal);
  } finally {
    clearTimeout(timer);
  }
}
