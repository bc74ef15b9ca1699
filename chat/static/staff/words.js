// What the workspace says: texts that the template translated, and times and numbers as people read them.

const page = (id) => JSON.parse(document.getElementById(id).textContent);

const texts = page("texts");
export const boot = page("boot");

const language = document.documentElement.lang || "nl";
const plural = new Intl.PluralRules(language);
const ofDay = new Intl.DateTimeFormat(language, {hour: "2-digit", minute: "2-digit", timeZone: "Europe/Amsterdam"});
const ofWeek = new Intl.DateTimeFormat(language, {weekday: "long", hour: "2-digit", minute: "2-digit", timeZone: "Europe/Amsterdam"});
const dayOnly = new Intl.DateTimeFormat("en-CA", {timeZone: "Europe/Amsterdam"});

/** The text of that name with `{…}` filled in; with `n` in the form that this number asks for. */
export function say(key, values = {}) {
  const text = texts[key] ?? texts[`${key}_${plural.select(values.n)}`] ?? texts[`${key}_other`] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

/** `14:02` */
export const clockTime = (moment) => ofDay.format(new Date(moment));

/** `14:02`, with the day of the week when it is not today. */
export function when(moment, now) {
  const then = new Date(moment);
  return dayOnly.format(then) === dayOnly.format(now) ? ofDay.format(then) : ofWeek.format(then);
}

/** How long, counting: `0:43`, `12:05`, `1:02:33`. */
export function lasted(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** What a conversation's person is called here; the second of the same name gets a number. */
export function nameOf({nickname, name, ordinal = 1}) {
  const called = nickname || name || say("anonymous");
  return ordinal > 1 ? `${called} (${ordinal})` : called;
}

/** The letter that stands for a conversation beside its colour. */
export function letterOf(one) {
  const first = [...nameOf(one)].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "?";
  return first.toLocaleUpperCase(language) + (one.ordinal > 1 ? one.ordinal : "");
}

/** A region's name as people here say it; all have the same first two words, which tell a passer-by what this is. */
export const short = (name) => name.replace(/^Veilig Thuis /, "");
export const regionName = (slug) => (slug ? short(boot.regions[slug] ?? slug) : say("no_region"));
export const roleName = (code) => say(code in boot.roles ? `role_${code}` : "no_role");

// The server's clock: this computer's own may be wrong, and then no waiting time would be right.
const {responseStart = 0} = performance.getEntriesByType("navigation")[0] ?? {};
let ahead = boot.now ? Date.parse(boot.now) - (performance.timeOrigin + responseStart) : 0;

/** Now on the server's clock, in milliseconds. */
export const wall = () => Date.now() + ahead;

/** Learns from a moment that the server named: what has happened there can't lie in our future. */
export function learn(moment) {
  const behind = Date.parse(moment) - wall();
  if (behind > 0) ahead += behind;
}

/** A moment on the browser's steady clock, as outbox.js wants it. */
export const steady = () => performance.now();
