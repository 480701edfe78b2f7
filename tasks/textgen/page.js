const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const T = data.ids.length;

// -- values ------------------------------------------------------------------

const unpacked = (array) => {
  const bytes = Uint8Array.from(atob(array.bytes), (c) => c.charCodeAt(0));
  return { ...array, bytes, step: array.low.map((low, k) => (array.high[k] - low) / 255) };
};
const layers = data.layers.map((layer) => ({ ...layer, values: layer.values.map(unpacked) }));
const features = data.features.map(unpacked);

/** What unit k of a value was at character t. */
const at = (value, k, t) => value.low[k] + value.bytes[k * T + t] * value.step[k];
/** How far from the centre the value of a unit goes: what has full colour. */
const reach = (value, k) => Math.max(value.high[k] - value.centre, value.centre - value.low[k]);

const state = { layer: 0, key: "h", unit: 0, scale: "unit", feature: -1, shown: null, pinned: 0, pointed: null };
const layer = () => layers[state.layer];
const units = () => layer().values[0].low.length;
const value = () => layer().values.find((v) => v.key === state.key);

/** What has no colour, and how far from it there is full colour. */
function scale() {
  const v = value(), k = state.unit;
  if (state.scale === "stretch") return { centre: (v.low[k] + v.high[k]) / 2, full: (v.high[k] - v.low[k]) / 2 || 1 };
  const reached = state.scale === "unit" ? reach(v, k) : Math.max(...v.low.map((_, j) => reach(v, j)));
  return { centre: v.centre, full: reached || 1 };
}

// -- words -------------------------------------------------------------------

const TILDE = { "c~": "c̃", "h~": "h̃" };
const number = (x, digits = 2) => {
  const text = x.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
};
const math = (key) => element("span", { className: "math", textContent: TILDE[key] ?? key });
const percent = (p) => (p > 0 && p < 0.001 ? "< 0.1 %" : `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);

/** A sign for a character that has no ink of its own, else null: a control's picture, an invisible one's code point. */
function sign(symbol) {
  const code = symbol.codePointAt(0);
  if (symbol === "\n") return "↵";
  if (symbol === "\t") return "⇥";
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  if (code === 127) return "␡";
  return /^[\p{C}\p{Zl}\p{Zp}]$/u.test(symbol) ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : null;
}
const visible = (symbol) => (symbol === " " ? "␣" : sign(symbol) ?? symbol);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const unitName = ({ layer: which, unit } = state) => (
  layers.length > 1 ? `Unit ${unit} of layer ${which + 1}` : `Unit ${unit}`);

// -- the text ----------------------------------------------------------------

const characters = data.ids.map((id, t) => {
  const symbol = data.symbols[id];
  const mark = sign(symbol);
  const span = element("span", { textContent: mark ?? symbol, className: mark ? "sign" : "" });
  span.dataset.t = t;
  return span;
});
$("text").append(...characters.flatMap((span, t) => {
  const symbol = data.symbols[data.ids[t]];
  return symbol === "\n" || symbol === "\t" ? [span, symbol] : [span]; // the sign, and then the break or the gap
}));

let line = 1;
const lines = data.ids.map((id) => (data.symbols[id] === "\n" ? line++ : line));

/** The background of a share from -1, low, to 1, high: 65 shades, each mixed by the style sheet for its theme. */
const SHADES = Array.from({ length: 65 }, (_, i) => {
  const share = (i - 32) / 32;
  return `color-mix(in oklab, var(--${share < 0 ? "low" : "high"}) ${100 * Math.abs(share)}%, var(--neutral))`;
});
const shade = (share) => SHADES[32 + Math.round(32 * Math.max(-1, Math.min(1, share)))];

function colour() {
  const v = value(), k = state.unit, { centre, full } = scale();
  const shades = Array.from({ length: 256 }, (_, byte) => shade((v.low[k] + byte * v.step[k] - centre) / full));
  characters.forEach((span, t) => { span.style.backgroundColor = shades[v.bytes[k * T + t]]; });
}

// -- plot and legend ---------------------------------------------------------

const WIDTH = 4; // pixels of a character: fewer hide what a unit does from one to the next

function draw() {
  const v = value(), k = state.unit, { centre, full } = scale();
  const y = (t) => (50 - 48 * (at(v, k, t) - centre) / full).toFixed(2);
  const points = characters.map((_, t) => `${t + 0.5} ${y(t)}`).join("L");
  $("plot").style.width = `${WIDTH * T}px`;
  $("plot").setAttribute("viewBox", `0 0 ${T} 112`);
  $("line").setAttribute("d", `M${points}`);
  $("area").setAttribute("d", `M.5 50L${points}L${T - 0.5} 50Z`);
  const name = `${v.name} ${TILDE[v.key] ?? v.key}`;
  $("plotted").textContent = `${unitName()}: its ${name}, character by character`;
  const best = followed(k);
  if (best) {
    const f = features[best.feature], span = f.high[0] - f.low[0];
    const top = (t) => (112 - 10 * (at(f, 0, t) - f.low[0]) / span).toFixed(1);
    const steps = characters.map((_, t) => `L${t} ${top(t)}L${t + 1} ${top(t)}`).join("");
    $("band").setAttribute("d", `M0 112${steps}L${T} 112Z`);
    $("band-note").textContent = `Grey below: ${f.name}. The unit follows it with r = ${number(best.r)}.`;
  }
  $("band").style.display = $("band-note").style.display = best ? "" : "none";
  const ends = { low: centre - full, middle: centre, high: centre + full };
  for (const [end, x] of Object.entries(ends)) $(`legend-${end}`).textContent = number(x, Number.isInteger(x) ? 0 : 2);
  const told = `Colours: blue is ${number(ends.low)}, none ${number(centre)}, orange ${number(ends.high)}`;
  $("legend").setAttribute("aria-label", told);
  $("scale-note").textContent = SCALES.find(({ id }) => id === state.scale).says;
}

// -- ranking -----------------------------------------------------------------

/** The feature that a unit is compared with: the chosen one, or the one that it follows best. */
function followed(k) {
  const r = value().r[k];
  if (!r.length) return null;
  const feature = state.shown ?? r.reduce((best, x, f) => (Math.abs(x) > Math.abs(r[best]) ? f : best), 0);
  return { feature, r: r[feature] };
}

const strongest = (ranked) => ranked.sort((a, b) => Math.abs(b.r) - Math.abs(a.r));
/** All values of all units, with how far each follows a feature. */
const followers = (shown) => layers.flatMap((l, i) => l.values.flatMap(({ key, r }) => (
  r.map((of, unit) => ({ layer: i, key, unit, shown, r: of[shown] })))));

const best = features.map((_, feature) => strongest(followers(feature))[0]);
/** Each feature's best follower, or the chosen feature's best ones. */
const ranking = () => (state.feature < 0 ? strongest([...best]) : strongest(followers(state.feature)).slice(0, 14));

function rank() {
  $("ranking").replaceChildren(...ranking().map(({ r, ...choice }) => {
    const { name } = features[choice.shown];
    const button = element("button", { type: "button", onclick: () => choose(choice) },
      element("span", {}, layers.length > 1 ? `${choice.layer + 1}: ` : "", math(choice.key), ` ${choice.unit}`),
      element("span", { className: "what", textContent: name }),
      element("span", { textContent: number(r) }));
    button.setAttribute("aria-label", `${unitName(choice)}, its ${choice.key}, follows ${name}: r ${number(r)}`);
    button.dataset.choice = JSON.stringify(choice);
    return element("li", {}, button);
  }));
}

function markRanked() {
  for (const button of $("ranking").querySelectorAll("button")) {
    const choice = JSON.parse(button.dataset.choice);
    const current = { ...state, shown: followed(state.unit).feature };
    const same = Object.keys(choice).every((name) => choice[name] === current[name]);
    if (same) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// -- inspector ---------------------------------------------------------------

function bar(from, to, background) {
  const fill = element("i");
  const left = `${100 * Math.min(from, to)}%`, width = `${100 * Math.abs(to - from)}%`;
  Object.assign(fill.style, { left, width, background });
  const made = element("span", { className: "bar" }, fill);
  made.setAttribute("aria-hidden", "true");
  return made;
}

function gateRow(v, t) {
  const k = state.unit, x = at(v, k, t), gate = v.centre !== 0;
  const limit = gate ? 1 : Math.max(1, reach(v, k));
  const share = gate ? x : 0.5 + x / limit / 2;
  const row = element("tr", {},
    element("th", { scope: "row" }, math(v.key), ` ${v.name}`),
    element("td", { textContent: number(x) }),
    element("td", {}, bar(gate ? 0 : 0.5, share, `var(--${x < v.centre ? "low" : "high"})`)));
  if (v.key === state.key) row.setAttribute("aria-current", "true");
  return row;
}

/** The cell's last step with its numbers in it. */
function formula(t) {
  const get = (key, step = t) => {
    const text = number(at(layer().values.find((v) => v.key === key), state.unit, step));
    return text.startsWith("−") ? `(${text})` : text;
  };
  if (t === 0) return "";
  if (layer().cell === "LSTM") {
    return `c = f · c before + i · c̃ = ${get("f")} · ${get("c", t - 1)} + ${get("i")} · ${get("c~")}`;
  }
  if (layer().cell === "GRU") {
    return `h = z · h before + (1 − z) · h̃ = ${get("z")} · ${get("h", t - 1)} + (1 − ${get("z")}) · ${get("h~")}`;
  }
  return "";
}

function likelyRow(id, p, came) {
  return element("li", { className: came ? "came" : "" },
    element("span", { className: "symbol", textContent: visible(data.symbols[id]) + (came ? " ✓" : "") }),
    bar(0, p, ""),
    element("span", { className: "p", textContent: percent(p) }));
}

function inspect() {
  const t = state.pointed ?? state.pinned;
  const symbol = data.symbols[data.ids[t]];
  const quoted = element("span", { className: "symbol", textContent: `“${visible(symbol)}”` });
  $("character").replaceChildren("After ", quoted);
  $("place").textContent = `character ${t}, line ${lines[t]}`;
  $("gates-title").textContent = unitName();
  $("gates").replaceChildren(...layer().values.map((v) => gateRow(v, t)));
  $("formula").textContent = formula(t);
  const bits = data.bits[t];
  $("surprise").textContent = bits === null ? "Nothing was read before it, so nothing was expected."
    : `The model gave it ${percent(2 ** -bits)}: a surprise of ${bits.toFixed(2)} bits.`;
  const next = data.ids[t + 1];
  const rows = data.likeliest[t].map((id, i) => likelyRow(id, data.p[t][i], id === next));
  if (next !== undefined && !data.likeliest[t].includes(next)) {
    rows.push(likelyRow(next, 2 ** -data.bits[t + 1], true));
  }
  $("likeliest").replaceChildren(...rows);
  $("cursor").setAttribute("d", `M${t + 0.5} 0V100`);
}

/** For those who hear the page: what is shown now, once it is chosen and not while it is pointed at. */
function tell() {
  const v = value(), symbol = visible(data.symbols[data.ids[state.pinned]]);
  $("status").textContent = `${unitName()}, ${v.name} ${number(at(v, state.unit, state.pinned))} after ${symbol}`;
}

/** Bring a character into the strip's middle. */
function follow(t) {
  $("strip").scrollLeft = (t + 0.5) / T * $("plot").getBoundingClientRect().width - $("strip").clientWidth / 2;
}

function point(t, inText = true) {
  if (t === state.pointed) return;
  if (inText) follow(t ?? state.pinned);
  characters[state.pointed]?.classList.remove("pointed");
  state.pointed = t;
  characters[t]?.classList.add("pointed");
  inspect();
}

function pin(t, scroll = false) {
  characters[state.pinned].classList.remove("pinned");
  state.pinned = Math.max(0, Math.min(T - 1, t));
  characters[state.pinned].classList.add("pinned");
  if (!scroll) follow(state.pinned);
  else {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    characters[state.pinned].scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  }
  inspect();
  tell();
}

// -- choices -----------------------------------------------------------------

const SCALES = [
  { id: "unit", label: "unit", says: "Full at this unit’s own extreme." },
  { id: "all", label: "layer", says: "Full at the extreme of all the layer’s units." },
  { id: "stretch", label: "stretched", says: "From this unit’s lowest to its highest." },
];

function buttons(box, choices, chosen, act) {
  const ids = choices.map(({ id }) => id).join();
  if ($(box).dataset.ids !== ids) { // else they stay, and so does the focus
    $(box).replaceChildren(...choices.map(({ id, label, title }) => {
      const button = element("button", { type: "button", onclick: () => act(id), title: title ?? "" }, label);
      if (title) button.setAttribute("aria-label", `${button.textContent}: ${title}`);
      return button;
    }));
    $(box).dataset.ids = ids;
  }
  choices.forEach(({ id }, i) => $(box).children[i].setAttribute("aria-pressed", String(id === chosen)));
}

/** Change what is chosen and show it. A feature that was clicked is compared until something else is looked at. */
function choose(change) {
  Object.assign(state, "scale" in change ? {} : { shown: state.feature < 0 ? null : state.feature }, change);
  if (!value()) state.key = "h";
  state.unit = Math.max(0, Math.min(units() - 1, state.unit));
  if ("feature" in change) rank();
  const named = layers.map(({ cell }, id) => ({ id, label: `${id + 1}: ${cell}`, title: `Layer ${id + 1}, ${cell}` }));
  buttons("layers", named, state.layer, (id) => choose({ layer: id }));
  const values = layer().values.map(({ key, name }) => ({ id: key, label: math(key), title: name }));
  buttons("values", values, state.key, (key) => choose({ key }));
  $("layer-field").hidden = layers.length === 1;
  $("last-unit").textContent = `0 to ${units() - 1}`;
  $("unit").max = units() - 1;
  buttons("scales", SCALES, state.scale, (scale) => choose({ scale }));
  $("unit").value = state.unit;
  history.replaceState(null, "", `#layer=${state.layer}&value=${state.key}&unit=${state.unit}`);
  markRanked();
  colour();
  draw();
  inspect();
  tell();
}

// -- events ------------------------------------------------------------------

const indexOf = (event) => event.target.dataset?.t === undefined ? null : Number(event.target.dataset.t);
$("text").addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") point(indexOf(event)); });
$("text").addEventListener("pointerleave", () => point(null));
$("text").addEventListener("click", (event) => { if (indexOf(event) !== null) pin(indexOf(event)); });

const plotted = (event) => {
  const box = $("plot").getBoundingClientRect();
  return Math.max(0, Math.min(T - 1, Math.floor((event.clientX - box.left) / box.width * T)));
};
$("plot").addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse") point(plotted(event), false);
});
$("plot").addEventListener("pointerleave", () => point(null, false));
$("plot").addEventListener("click", (event) => pin(plotted(event), true));

$("previous").onclick = () => choose({ unit: (state.unit + units() - 1) % units() });
$("next").onclick = () => choose({ unit: (state.unit + 1) % units() });
$("unit").oninput = () => { if ($("unit").value !== "") choose({ unit: Math.round(Number($("unit").value)) || 0 }); };
$("feature").onchange = () => {
  const feature = Number($("feature").value);
  state.feature = feature;
  const { r, ...choice } = ranking()[0];
  choose({ feature, ...choice });
};

let typed = "", typedAt = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && event.shiftKey) {
    point(null);
    pin(state.pinned + step);
    characters[state.pinned].scrollIntoView({ block: "nearest" });
  } else if (step) choose({ unit: (state.unit + step + units()) % units() });
  else if (/^\d$/.test(event.key)) {
    typed = event.timeStamp - typedAt < 1000 && Number(typed + event.key) < units() ? typed + event.key : event.key;
    typedAt = event.timeStamp;
    choose({ unit: Number(typed) });
  } else return;
  event.preventDefault();
});

// -- begin -------------------------------------------------------------------

const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

function describe() {
  const kinds = layers.map((l) => `${l.cell} of ${count(l.values[0].low.length, "unit")}`).join(", then ");
  const known = data.bits.filter((b) => b !== null);
  const mean = known.reduce((a, b) => a + b, 0) / known.length;
  $("about").textContent = "Each character is coloured by what one unit of the network has after reading it: "
    + `${kinds}, ${count(data.symbols.length, "symbol")}`
    + (known.length ? `; it needs ${mean.toFixed(2)} bits per character here. ` : ". ")
    + (data.about && `Text: ${data.about}.`);
  $("facts").textContent = count(T, "character")
    + (data.lead ? `, after ${data.lead.toLocaleString("en")} that the network read before. ` : ", from a zero state. ")
    + "Every value is kept in one byte, so it is wrong by at most a 510th of its unit’s range: "
    + `${($("data").textContent.length / 1e6).toFixed(1)} MB in all. This page asks no network for anything.`;
}

/** What a link asks for, as #layer=0&value=c&unit=7, else the first of the ranking. */
function beginning() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (!asked.has("unit")) {
    const { r, ...first } = ranking()[0] ?? { layer: 0, key: "h", unit: 0 };
    return first;
  }
  const index = (name, size) => Math.max(0, Math.min(size - 1, Math.round(Number(asked.get(name))) || 0));
  const number = index("layer", layers.length);
  return { layer: number, key: asked.get("value"), unit: index("unit", layers[number].values[0].low.length) };
}

describe();
$("ranking").classList.toggle("deep", layers.length > 1);
$("units-worth").hidden = features.length === 0;
const options = [{ name: "each feature: the best one" }, ...features];
$("feature").append(...options.map(({ name }, i) => element("option", { value: i - 1, textContent: name })));
choose({ feature: -1, ...beginning() });
const far = (t) => Math.abs(at(value(), state.unit, t) - value().centre);
pin(characters.reduce((a, _, b) => (far(b) > far(a) ? b : a), 0));
