// The rendering library under our names: markup as tagged text, without a build. It writes text nodes, never HTML (X1).

import {h, render} from "../vendor/preact.js";
import {useEffect, useLayoutEffect, useMemo, useRef, useState} from "../vendor/hooks.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export {render, useEffect, useLayoutEffect, useMemo, useRef, useState};
