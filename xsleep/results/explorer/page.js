"use strict";

const STAGES = ["W", "N1", "N2", "N3", "REM"];
const ORDER = [0, 4, 1, 2, 3]; // of the levels of a hypnogram, the highest first
// All far apart in lightness, so that they are told apart in grey as well.
const COLOURS = ["#f7ec8a", "#86c5ea", "#2a6aa3", "#0b2545", "#e0662f"];
const DIFFERS = "#c2410c";
const GAP = "#dcdcdc";
// Cividis: its lightness grows with the level.
const RAMP = ["#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c",
  "#dec958", "#fee838"];
const LEFT = 118, RIGHT = 62, AXIS = 20, STRIP = 14, SPACE = 10;
const FAMILY = '"DejaVu Sans", Verdana, Arial, sans-serif', FONT = `12px ${FAMILY}`, SMALL = `11px ${FAMILY}`;
const NARROWEST = 20; // epochs that are shown at least

const by = (id) => document.getElementById(id);
const panels = by("panels"), cross = by("cross");

// What is chosen: the case, its nights, the night, the epoch under the crosshair, what is in view.
const state = {list: null, name: null, night: null, epoch: null, view: null,
  sort: "name", descending: false};

// The data files call this, each with its path.
const delivered = new Map();
function loaded(name, content) {
  delivered.set(name, content);
}

// The content of a data file, or its fault.
function load(path) {
  const address = `data/${path.map(encodeURIComponent).join("/")}.js`, name = path.join("/");
  const fault = `${address} cannot be read; keep the folder data beside this page, or make both again`;
  return new Promise((resolve) => {
    const script = document.createElement("script");
    script.onload = script.onerror = () => {
      script.remove();
      resolve(delivered.get(name) ?? {fault});
      delivered.delete(name);
    };
    script.src = address;
    document.head.append(script);
  });
}

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const digits = (text) => Uint8Array.from(text, Number);

// The choices, from the database down to the night.

const chosen = () => ["database", "window", "channels"].map((id) => by(id).value);

function offer(id, values) {
  const select = by(id), before = select.value;
  select.replaceChildren(...values.map((value) => new Option(value)));
  if (values.includes(before)) select.value = before;
}

function narrow() {
  let cases = CASES;
  for (const id of ["database", "window", "channels"]) {
    offer(id, [...new Set(cases.map((one) => one[id]))]);
    cases = cases.filter((one) => one[id] === by(id).value);
  }
}

async function chooseCase() {
  narrow();
  const path = chosen();
  state.night = null;
  by("nights").replaceChildren();
  const list = await load(path);
  if (path.join() !== chosen().join()) return; // another was chosen meanwhile
  state.list = list.fault ? {nights: [], systems: {}} : list;
  offer("system", Object.keys(state.list.systems));
  if (list.fault) return fail(list.fault);
  chooseSystem();
  const names = shown().map((row) => row.dataset.name);
  if (names.length) chooseNight(names.includes(state.name) ? state.name : names[0]);
  else fail("No night is scored by predictions that can be used.");
}

function chooseSystem() {
  const {seeds, gaps} = state.list.systems[by("system").value];
  offer("seed", Object.keys(seeds));
  by("gaps").hidden = !gaps.length;
  by("gaps").querySelector("summary").textContent =
    `${by("system").value}: predictions that are left out (${gaps.length})`;
  by("gaps").querySelector("ul").replaceChildren(...gaps.map((gap) => element("li", gap)));
  listNights();
  if (state.night) show();
}

// The metrics of a night by the chosen run: accuracy and kappa, null where there are none.
const metrics = (name) =>
  state.list.systems[by("system").value].seeds[by("seed").value]?.[name] ?? [null, null];

const fixed = (value, places) => (value === null ? "–" : value.toFixed(places));

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function listNights() {
  const column = ["name", "accuracy", "kappa"].indexOf(state.sort);
  const sign = state.descending ? -1 : 1;
  const nights = state.list.nights.map(([name]) => [name, ...metrics(name)]);
  nights.sort(({[column]: x}, {[column]: y}) => {
    if (x === null || y === null) return (x === null) - (y === null); // last, either way
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  });
  by("nights").replaceChildren(...nights.map(([name, accuracy, kappa]) => {
    const row = document.createElement("tr"), button = element("button", name);
    row.dataset.name = name;
    button.tabIndex = -1;
    const first = document.createElement("td");
    first.append(button);
    row.append(first, element("td", fixed(accuracy, 1)), element("td", fixed(kappa, 2)));
    return row;
  }));
  for (const header of document.querySelectorAll("nav th")) {
    const sorted = header.firstChild.dataset.sort === state.sort;
    if (sorted) header.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    else header.removeAttribute("aria-sort");
  }
  mark();
}

const shown = () => [...by("nights").rows];

function mark() {
  for (const row of shown()) {
    const current = row.dataset.name === state.name;
    row.toggleAttribute("aria-current", current);
    row.querySelector("button").tabIndex = current ? 0 : -1;
    if (current) row.scrollIntoView({block: "nearest"});
  }
}

async function chooseNight(name) {
  const path = [...chosen(), name];
  state.name = name;
  mark();
  const content = await load(path);
  if (path.join() !== [...chosen(), state.name].join()) return; // another was chosen meanwhile
  if (content.fault) return fail(content.fault);
  state.night = unpacked(content);
  state.epoch = null;
  state.view = whole();
  show();
}

function step(lines) {
  const rows = shown();
  const row = rows[rows.findIndex((one) => one.dataset.name === state.name) + lines];
  if (row) chooseNight(row.dataset.name);
}

function fail(fault) {
  state.night = null;
  for (const id of ["night", "summary", "epoch"]) by(id).textContent = "";
  note(fault);
  draw();
}

function note(text) {
  by("note").textContent = text;
  by("note").hidden = !text;
}

// A night as it is drawn.

function unpacked(night) {
  night.places = night.places.flatMap(([first, count]) =>
    Array.from({length: count}, (_, number) => first + number));
  night.first = night.places[0];
  night.end = night.places.at(-1) + 1;
  night.at = new Map(night.places.map((place, number) => [place, number]));
  night.true = digits(night.true);
  for (const seeds of Object.values(night.runs)) {
    for (const run of Object.values(seeds)) {
      run.predicted = digits(run.predicted);
      run.probabilities = bytes(run.probabilities);
    }
  }
  night.images = Object.entries(night.spectrograms ?? {}).map(([channel, image]) =>
    ({channel, ...image, picture: picture(night, image)}));
  return night;
}

const whole = () => ({from: state.night.first, to: state.night.end});
const run = () => state.night.runs[by("system").value]?.[by("seed").value];

function disagreements() {
  const predicted = run()?.predicted;
  return predicted ? state.night.places.filter((_, n) => predicted[n] !== state.night.true[n]) : [];
}

function clock(place) {
  const {clock: start, step: seconds, first} = state.night;
  const time = Math.round((start ?? first * seconds) + (place - first) * seconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(time / 3600);
  return `${two(start === null ? hours : hours % 24)}:${two(Math.floor(time / 60) % 60)}:${two(time % 60)}`;
}

function show() {
  const {night} = state, [accuracy, kappa] = metrics(state.name), count = night.places.length;
  by("night").textContent = state.name;
  const dropped = night.end - night.first - count;
  by("summary").textContent = [
    `subject ${night.subject}`,
    `${clock(night.first)} to ${clock(night.end)}${night.clock === null ? " of the recording" : ""}`,
    `${count} epochs` + (dropped ? `, ${dropped} not scored` : ""),
    ...(run() ? [`accuracy ${fixed(accuracy, 1)} %`, `kappa ${fixed(kappa, 3)}`,
      `${disagreements().length} disagreements`] : []),
  ].join(" · ");
  note([
    run() ? "" : `${by("system").value}: the predictions of this night are left out.`,
    night.missing ? `No spectrogram: ${night.missing}` : "",
  ].filter(Boolean).join(" "));
  panels.setAttribute("aria-label",
    `Hypnograms, disagreements, probabilities and spectrograms of ${state.name}`);
  draw();
  point(state.epoch);
}

// Drawing: panels one beneath the other, with the time in common.

function picture(night, {rows, values}) {
  const made = document.createElement("canvas");
  made.width = night.end - night.first;
  made.height = rows;
  const pen = made.getContext("2d"), pixels = pen.createImageData(made.width, rows);
  const levels = bytes(values);
  night.places.forEach((place, number) => {
    for (let row = 0; row < rows; row++) {
      const at = 4 * ((rows - 1 - row) * made.width + place - night.first);
      pixels.data.set(TABLE[levels[number * rows + row]], at);
    }
  });
  pen.putImageData(pixels, 0, 0);
  return made;
}

const TABLE = Array.from({length: 256}, (_, level) => {
  const place = level / 255 * (RAMP.length - 1), below = Math.min(Math.floor(place), RAMP.length - 2);
  const channel = (colour, number) => parseInt(colour.slice(1 + 2 * number, 3 + 2 * number), 16);
  const mixed = [0, 1, 2].map((n) => channel(RAMP[below], n)
    + (place - below) * (channel(RAMP[below + 1], n) - channel(RAMP[below], n)));
  return [...mixed.map(Math.round), 255];
});

const width = () => panels.clientWidth - LEFT - RIGHT;
const across = (place) => LEFT + (place - state.view.from) / (state.view.to - state.view.from) * width();
const placeAt = (x) => state.view.from + (x - LEFT) / width() * (state.view.to - state.view.from);

function fresh(canvas) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = FONT;
  pen.textBaseline = "middle";
  return pen;
}

function draw() {
  const pen = fresh(panels);
  fresh(cross);
  if (!state.night) return;
  const {night} = state, scores = run();
  const parts = 2 * 0.9 + 1.1 + 1.1 * night.images.length;
  const height = (panels.clientHeight - AXIS - STRIP - SPACE * (4 + night.images.length)) / parts;
  let top = AXIS;
  const panel = (part, tall, draws, title) => {
    const box = {top, height: tall};
    pen.fillStyle = "#000";
    pen.textAlign = "left";
    pen.font = `bold ${FONT}`;
    pen.fillText(title, 0, top + tall / 2, LEFT - 36);
    pen.font = FONT;
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, top, width(), tall);
    pen.clip();
    gaps(pen, box);
    draws(pen, box, part);
    pen.restore();
    pen.strokeStyle = "#888";
    pen.lineWidth = 1;
    pen.strokeRect(LEFT - 0.5, top - 0.5, width() + 1, tall + 1);
    top += tall + SPACE;
    return box;
  };
  hours(pen);
  levels(pen, panel(night.true, 0.9 * height, hypnogram, "scorer"));
  panel(scores, STRIP, differences, "differ");
  levels(pen, panel(scores?.predicted, 0.9 * height, hypnogram, by("system").value));
  legend(pen, panel(scores, 1.1 * height, areas, "probability"));
  for (const image of night.images) {
    scale(pen, panel(image, 1.1 * height, spectrogram, image.channel), image);
  }
}

// Epochs in view: number, left, width; whole pixels, so that neighbours leave no seam.
function* inView() {
  for (const [number, place] of state.night.places.entries()) {
    if (place + 1 < state.view.from || place > state.view.to) continue;
    const left = Math.round(across(place));
    yield [number, left, Math.max(Math.round(across(place + 1)) - left, 1)];
  }
}

function gaps(pen, {top, height}) {
  const {places} = state.night;
  pen.fillStyle = GAP;
  for (let number = 1; number < places.length; number++) {
    if (places[number] === places[number - 1] + 1) continue;
    const from = across(places[number - 1] + 1);
    pen.fillRect(from, top, across(places[number]) - from, height);
  }
}

function hours(pen) {
  const {night, view} = state;
  const seconds = (view.to - view.from) * night.step;
  const wide = [60, 300, 600, 1800, 3600, 7200, 14400].find((one) => width() * one / seconds > 60) ?? 28800;
  const start = (night.clock ?? night.first * night.step) - night.first * night.step;
  pen.fillStyle = pen.strokeStyle = "#000";
  pen.textAlign = "center";
  for (let time = Math.ceil((start + view.from * night.step) / wide) * wide; ; time += wide) {
    const place = (time - start) / night.step, x = across(place);
    if (place > view.to) break;
    pen.fillText(clock(place).slice(0, 5), x, 6);
    pen.beginPath();
    pen.moveTo(x, 13);
    pen.lineTo(x, AXIS);
    pen.stroke();
  }
  pen.textAlign = "left";
  pen.fillText(night.clock === null ? "time" : "clock", 0, 6);
}

const level = ({top, height}, stage) => top + (ORDER.indexOf(stage) + 0.5) * height / ORDER.length;

function levels(pen, box) {
  pen.fillStyle = "#000";
  pen.textAlign = "right";
  pen.font = SMALL;
  for (const stage of ORDER) pen.fillText(STAGES[stage], LEFT - 5, level(box, stage));
  pen.font = FONT;
}

function hypnogram(pen, box, stages) {
  if (!stages) return nothing(pen, box);
  const {night} = state;
  pen.strokeStyle = "#e4e4e4";
  pen.lineWidth = 1;
  pen.beginPath();
  for (const stage of ORDER) {
    pen.moveTo(LEFT, level(box, stage));
    pen.lineTo(LEFT + width(), level(box, stage));
  }
  pen.stroke();
  pen.strokeStyle = "#000";
  pen.lineWidth = 1.3;
  pen.beginPath();
  for (const [number, left, wide] of inView()) {
    const joined = number && night.places[number - 1] === night.places[number] - 1;
    pen[joined ? "lineTo" : "moveTo"](left, level(box, stages[number]));
    pen.lineTo(left + wide, level(box, stages[number]));
  }
  pen.stroke();
  for (const [number, left, wide] of inView()) {
    const wrong = stages !== night.true && stages[number] !== night.true[number];
    if (!wrong && STAGES[stages[number]] !== "REM") continue;
    pen.fillStyle = wrong ? DIFFERS : "#000";
    pen.fillRect(left, level(box, stages[number]) - 2, wide, 4);
  }
}

function differences(pen, {top, height}, scores) {
  if (!scores) return;
  pen.fillStyle = DIFFERS;
  for (const [number, left, wide] of inView()) {
    if (scores.predicted[number] !== state.night.true[number]) pen.fillRect(left, top, wide, height);
  }
}

function areas(pen, box, scores) {
  if (!scores) return nothing(pen, box);
  const {top, height} = box;
  for (const [number, left, wide] of inView()) {
    const values = ORDER.map((stage) => scores.probabilities[5 * number + stage]);
    const sum = values.reduce((a, b) => a + b);
    let above = 0;
    ORDER.forEach((stage, place) => {
      const y = top + above / sum * height;
      above += values[place];
      pen.fillStyle = COLOURS[stage];
      pen.fillRect(left, y, wide, top + height - y);
    });
  }
}

function nothing(pen, {top, height}) {
  pen.fillStyle = "#000";
  pen.textAlign = "center";
  pen.fillText("left out", LEFT + width() / 2, top + height / 2);
}

function legend(pen, box) {
  pen.textAlign = "left";
  pen.font = SMALL;
  for (const stage of ORDER) {
    const y = level(box, stage), x = LEFT + width() + 6;
    pen.fillStyle = COLOURS[stage];
    pen.fillRect(x, y - 5, 12, 10);
    pen.strokeStyle = "#000";
    pen.strokeRect(x, y - 5, 12, 10);
    pen.fillStyle = "#000";
    pen.fillText(STAGES[stage], x + 17, y);
  }
  pen.font = FONT;
}

function spectrogram(pen, {top, height}, {picture: made}) {
  const {view, night} = state;
  pen.imageSmoothingEnabled = false;
  const left = across(night.first), right = across(night.end);
  pen.drawImage(made, left, top, right - left, height);
}

function scale(pen, {top, height}, {low, high}) {
  const [from, to] = state.night.hertz;
  pen.font = SMALL;
  pen.fillStyle = pen.strokeStyle = "#000";
  pen.textAlign = "right";
  for (const hertz of height > 70 ? [10, 20, 30] : [15, 30]) {
    const y = top + height * (1 - (hertz - from) / (to - from));
    pen.fillText(`${hertz} Hz`, LEFT - 5, y);
  }
  const x = LEFT + width() + 6;
  const colours = pen.createLinearGradient(0, top + height, 0, top);
  RAMP.forEach((colour, number) => colours.addColorStop(number / (RAMP.length - 1), colour));
  pen.fillStyle = colours;
  pen.fillRect(x, top, 10, height);
  pen.fillStyle = "#000";
  pen.textAlign = "left";
  pen.fillText(`${high.toFixed(0)} dB`, x + 14, top + 6);
  pen.fillText(low.toFixed(0), x + 14, top + height - 6);
  pen.font = FONT;
}

// The crosshair and what it says.

function point(place) {
  const {night, view} = state;
  const pen = fresh(cross);
  state.epoch = place;
  if (place === null || !night) {
    by("epoch").textContent = "";
    return;
  }
  const left = across(place), right = across(place + 1);
  if (place >= view.from - 1 && place < view.to) {
    const x = (left + right) / 2;
    pen.fillStyle = "rgba(0, 0, 0, 0.12)";
    pen.fillRect(left, AXIS, Math.max(right - left, 1), cross.clientHeight);
    for (const [colour, thick] of [["#fff", 3], ["#000", 1]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(x, AXIS - 4);
      pen.lineTo(x, cross.clientHeight);
      pen.stroke();
    }
  }
  by("epoch").textContent = told(place);
}

function told(place) {
  const {night} = state, number = night.at.get(place), scores = run();
  const words = [clock(place), `epoch ${place + 1}`];
  if (number === undefined) return [...words, "not scored"].join(" · ");
  words.push(`scorer ${STAGES[night.true[number]]}`);
  if (scores) {
    const right = scores.predicted[number] === night.true[number];
    words.push(`${by("system").value} ${STAGES[scores.predicted[number]]}${right ? "" : " (differs)"}`);
    words.push(ORDER.map((stage) =>
      `${STAGES[stage]} ${Math.round(scores.probabilities[5 * number + stage] / 2.55)} %`).join(", "));
  }
  return words.join(" · ");
}

// Moving about.

function look(from, to) {
  const {first, end} = state.night;
  const size = Math.min(Math.max(to - from, NARROWEST), end - first);
  const begin = Math.min(Math.max(from, first), end - size);
  state.view = {from: begin, to: begin + size};
  draw();
  point(state.epoch);
}

function zoom(factor, around) {
  if (!state.night) return;
  const {from, to} = state.view, middle = around ?? state.epoch ?? (from + to) / 2;
  look(middle - (middle - from) * factor, middle + (to - middle) * factor);
}

function goTo(place) {
  const {from, to} = state.view;
  if (place < from || place >= to) look(place - (to - from) / 2, place + (to - from) / 2);
  point(place);
}

function move(epochs) {
  const {night, view} = state;
  if (!night) return;
  const place = state.epoch === null ? Math.ceil(view.from) : state.epoch + epochs;
  goTo(Math.min(Math.max(place, night.first), night.end - 1));
}

function disagreement(direction) {
  if (!state.night) return;
  const found = disagreements(), here = state.epoch ?? (direction > 0 ? -1 : Infinity);
  const place = direction > 0
    ? found.find((one) => one > here)
    : found.findLast((one) => one < here);
  if (place !== undefined) goTo(place);
}

const KEYS = {
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  n: () => disagreement(1),
  p: () => disagreement(-1),
  "+": () => zoom(0.5),
  "=": () => zoom(0.5),
  "-": () => zoom(2),
  0: () => state.night && look(-Infinity, Infinity),
};

const BUTTONS = {previous: "ArrowUp", next: "ArrowDown", back: "p", forth: "n", closer: "+",
  farther: "-", all: "0"};

document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key];
  // A list of choices has its own use for keys.
  if (!action || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  event.preventDefault();
  action();
});
for (const [id, key] of Object.entries(BUTTONS)) by(id).addEventListener("click", KEYS[key]);
for (const id of ["database", "window", "channels"]) by(id).addEventListener("change", chooseCase);
by("system").addEventListener("change", chooseSystem);
by("seed").addEventListener("change", chooseSystem);
by("nights").addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) chooseNight(row.dataset.name);
});
document.querySelector("nav thead").addEventListener("click", (event) => {
  const sort = event.target.dataset.sort;
  if (!sort) return;
  state.descending = state.sort === sort && !state.descending;
  state.sort = sort;
  listNights();
});

let held = null; // where the mouse went down, and what was in view
cross.addEventListener("pointerdown", (event) => {
  if (!state.night) return;
  held = {x: event.offsetX, ...state.view};
  cross.setPointerCapture(event.pointerId);
});
cross.addEventListener("lostpointercapture", () => { held = null; });
cross.addEventListener("pointermove", (event) => {
  if (!state.night) return;
  if (held) {
    const shift = (held.x - event.offsetX) / width() * (held.to - held.from);
    look(held.from + shift, held.to + shift);
  }
  const place = Math.floor(placeAt(event.offsetX));
  if (place >= state.view.from - 1 && place < state.view.to) point(place);
});
cross.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.8 : 1.25, state.night && placeAt(event.offsetX));
}, {passive: false});
new ResizeObserver(() => {
  draw();
  point(state.epoch);
}).observe(by("plot"));

chooseCase();
