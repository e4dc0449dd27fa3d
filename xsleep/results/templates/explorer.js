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
const FAMILY = '"DejaVu Sans", Verdana, Arial, sans-serif';
const FONT = `12px ${FAMILY}`, SMALL = `11px ${FAMILY}`;
const NARROWEST = 20; // epochs that are shown at least

const by = (id) => document.getElementById(id);
const system = () => by("system").value;
const panels = by("panels"), cross = by("cross");

// What is chosen: the list of the recordings of a case, the recording, the epoch under the
// crosshair, what is in view.
const state = {list: null, name: null, recording: null, epoch: null, view: null,
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
const NONE = 9; // digit of an epoch without a prediction
const digits = (text) => Uint8Array.from(text, Number);

// The choices, from the database down to the recording.

const chosen = () => ["database", "window", "channels"].map((id) => by(id).value);

function offer(id, values) {
  const select = by(id), before = select.value;
  select.replaceChildren(...values.map((value) => new Option(value)));
  if (values.includes(before)) select.value = before;
}

async function chooseCase() {
  let cases = CASES;
  for (const id of ["database", "window", "channels"]) {
    offer(id, [...new Set(cases.map((one) => one[id]))]);
    cases = cases.filter((one) => one[id] === by(id).value);
  }
  const path = chosen();
  state.recording = null;
  by("recordings").replaceChildren();
  const list = await load(path);
  if (path.join() !== chosen().join()) return; // another was chosen meanwhile
  state.list = list.fault ? {recordings: [], systems: {}} : list;
  offer("system", Object.keys(state.list.systems));
  if (list.fault) return fail(list.fault);
  chooseSystem();
  const names = shown().map((row) => row.dataset.name);
  if (names.length) chooseRecording(names.includes(state.name) ? state.name : names[0]);
  else fail("No recording is scored by predictions that can be used.");
}

function chooseSystem() {
  const {seeds, gaps} = state.list.systems[system()];
  offer("seed", Object.keys(seeds));
  by("gaps").hidden = !gaps.length;
  by("gaps").querySelector("summary").textContent =
    `${system()}: predictions that are left out (${gaps.length})`;
  by("gaps").querySelector("ul").replaceChildren(...gaps.map((gap) => element("li", gap)));
  listRecordings();
  if (state.recording) show();
}

// The metrics of a recording by the chosen run: accuracy and kappa, null where there are none.
const metrics = (name) =>
  state.list.systems[system()].seeds[by("seed").value]?.[name] ?? [null, null];

const fixed = (value, places) => (value === null ? "–" : value.toFixed(places));

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function listRecordings() {
  const column = ["name", "accuracy", "kappa"].indexOf(state.sort);
  const sign = state.descending ? -1 : 1;
  const recordings = state.list.recordings.map(([name]) => [name, ...metrics(name)]);
  recordings.sort(({[column]: x}, {[column]: y}) => {
    if (x === null || y === null) return (x === null) - (y === null); // last, either way
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  });
  by("recordings").replaceChildren(...recordings.map(([name, accuracy, kappa]) => {
    const row = document.createElement("tr"), button = element("button", name);
    row.dataset.name = name;
    for (const cell of [button, fixed(accuracy, 1), fixed(kappa, 2)]) row.insertCell().append(cell);
    return row;
  }));
  for (const header of document.querySelectorAll("nav th")) {
    const sorted = header.firstChild.dataset.sort === state.sort;
    header.ariaSort = sorted ? (state.descending ? "descending" : "ascending") : null;
  }
  mark();
}

const shown = () => [...by("recordings").rows];

function mark() {
  for (const row of shown()) {
    const current = row.dataset.name === state.name;
    row.toggleAttribute("aria-current", current);
    row.querySelector("button").tabIndex = current ? 0 : -1;
    if (current) row.scrollIntoView({block: "nearest"});
  }
}

async function chooseRecording(name) {
  const path = [...chosen(), name];
  state.name = name;
  mark();
  const content = await load(path);
  if (path.join() !== [...chosen(), state.name].join()) return; // another was chosen meanwhile
  if (content.fault) return fail(content.fault);
  state.recording = unpacked(content);
  state.epoch = null;
  state.view = {from: state.recording.first, to: state.recording.end};
  show();
}

function step(lines) {
  const rows = shown();
  const row = rows[rows.findIndex((one) => one.dataset.name === state.name) + lines];
  if (row) chooseRecording(row.dataset.name);
}

function fail(fault) {
  state.recording = null;
  for (const id of ["recording", "summary"]) by(id).textContent = "";
  note(fault);
  draw();
}

function note(text) {
  by("note").textContent = text;
  by("note").hidden = !text;
}

// A recording as it is drawn.

function unpacked(recording) {
  recording.places = recording.places.flatMap(([first, count]) =>
    Array.from({length: count}, (_, number) => first + number));
  recording.first = recording.places[0];
  recording.end = recording.places.at(-1) + 1;
  recording.at = new Map(recording.places.map((place, number) => [place, number]));
  recording.true = digits(recording.true);
  for (const run of Object.values(recording.runs).flatMap(Object.values)) {
    run.predicted = digits(run.predicted);
    run.wrong = run.predicted.map((stage, number) =>
      stage !== NONE && stage !== recording.true[number]);
    run.probabilities = bytes(run.probabilities);
  }
  recording.images = Object.entries(recording.spectrograms ?? {}).map(([channel, image]) =>
    ({channel, ...image, picture: picture(recording, image)}));
  return recording;
}

const run = () => state.recording.runs[system()]?.[by("seed").value];
const disagreements = () => state.recording.places.filter((_, number) => run()?.wrong[number]);

function clock(place) {
  const {clock: start, step: seconds, first} = state.recording;
  const time = Math.round((start ?? first * seconds) + (place - first) * seconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(time / 3600) % (start === null ? Infinity : 24);
  return [hours, Math.floor(time / 60) % 60, time % 60].map(two).join(":");
}

function show() {
  const {recording} = state, count = recording.places.length;
  const [accuracy, kappa] = metrics(state.name);
  by("recording").textContent = state.name;
  const dropped = recording.end - recording.first - count;
  by("summary").textContent = [
    `subject ${recording.subject}`,
    `${clock(recording.first)} to ${clock(recording.end)}`
      + (recording.clock === null ? " of the recording" : ""),
    `${count} epochs` + (dropped ? `, ${dropped} not scored` : ""),
    ...(run() ? [`accuracy ${fixed(accuracy, 1)} %`, `kappa ${fixed(kappa, 3)}`,
      `${disagreements().length} disagreements`] : []),
  ].join(" · ");
  note([
    run() ? "" : `${system()}: the predictions of this recording are left out.`,
    recording.missing ? `No spectrogram: ${recording.missing}` : "",
  ].filter(Boolean).join(" "));
  panels.setAttribute("aria-label",
    `Hypnograms, disagreements, probabilities and spectrograms of ${state.name}`);
  draw();
}

// Drawing: panels one beneath the other, with the time in common.

function picture(recording, {rows, values}) {
  const made = document.createElement("canvas");
  made.width = recording.end - recording.first;
  made.height = rows;
  const pen = made.getContext("2d"), pixels = pen.createImageData(made.width, rows);
  const levels = bytes(values);
  recording.places.forEach((place, number) => {
    for (let row = 0; row < rows; row++) {
      const at = 4 * ((rows - 1 - row) * made.width + place - recording.first);
      pixels.data.set(TABLE[levels[number * rows + row]], at);
    }
  });
  pen.putImageData(pixels, 0, 0);
  return made;
}

const RGB = RAMP.map((colour) => [1, 3, 5].map((n) => parseInt(colour.slice(n, n + 2), 16)));
const TABLE = Array.from({length: 256}, (_, level) => {
  const place = level / 255 * (RGB.length - 1), below = Math.min(Math.floor(place), RGB.length - 2);
  const mixed = RGB[below].map((low, n) => low + (place - below) * (RGB[below + 1][n] - low));
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

function label(pen, text, x, y, align = "left", font = FONT, limit = undefined) {
  Object.assign(pen, {fillStyle: "#000", textAlign: align, font});
  pen.fillText(text, x, y, limit);
}

function line(pen, colour, thick, ...ends) {
  Object.assign(pen, {strokeStyle: colour, lineWidth: thick});
  pen.beginPath();
  for (const [x0, y0, x1, y1] of ends) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }
  pen.stroke();
}

function draw() {
  const pen = fresh(panels);
  point(state.epoch);
  if (!state.recording) return;
  const {recording} = state, scores = run();
  const parts = 2 * 0.9 + 1.1 + 1.1 * recording.images.length;
  const height = (panels.clientHeight - AXIS - STRIP - SPACE * (4 + recording.images.length)) / parts;
  let top = AXIS;
  const panel = (part, tall, draws, title) => {
    const box = {top, height: tall};
    label(pen, title, 0, top + tall / 2, "left", `bold ${FONT}`, LEFT - 36);
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
  levels(pen, panel({predicted: recording.true}, 0.9 * height, hypnogram, "scorer"));
  panel(scores, STRIP, differences, "differ");
  levels(pen, panel(scores, 0.9 * height, hypnogram, system()));
  legend(pen, panel(scores, 1.1 * height, areas, "probability"));
  for (const image of recording.images) {
    scale(pen, panel(image, 1.1 * height, spectrogram, image.channel), image);
  }
}

// Epochs in view: number, left, width; whole pixels, so that neighbours leave no seam.
function* inView() {
  for (const [number, place] of state.recording.places.entries()) {
    if (place + 1 < state.view.from || place > state.view.to) continue;
    const left = Math.round(across(place));
    yield [number, left, Math.max(Math.round(across(place + 1)) - left, 1)];
  }
}

function gaps(pen, {top, height}) {
  const {places} = state.recording;
  pen.fillStyle = GAP;
  for (let number = 1; number < places.length; number++) {
    if (places[number] === places[number - 1] + 1) continue;
    const from = across(places[number - 1] + 1);
    pen.fillRect(from, top, across(places[number]) - from, height);
  }
}

function hours(pen) {
  const {recording, view} = state;
  const seconds = (view.to - view.from) * recording.step;
  const steps = [60, 300, 600, 1800, 3600, 7200, 14400];
  const wide = steps.find((one) => width() * one / seconds > 60) ?? 28800;
  const start = recording.clock === null ? 0 : recording.clock - recording.first * recording.step;
  for (let time = Math.ceil((start + view.from * recording.step) / wide) * wide; ; time += wide) {
    const place = (time - start) / recording.step, x = across(place);
    if (place > view.to) break;
    label(pen, clock(place).slice(0, 5), x, 6, "center");
    line(pen, "#000", 1, [x, 13, x, AXIS]);
  }
  label(pen, recording.clock === null ? "time" : "clock", 0, 6);
}

const level = ({top, height}, stage) => top + (ORDER.indexOf(stage) + 0.5) * height / ORDER.length;

function levels(pen, box) {
  for (const stage of ORDER) label(pen, STAGES[stage], LEFT - 5, level(box, stage), "right", SMALL);
}

function hypnogram(pen, box, scores) {
  if (!scores) return nothing(pen, box);
  const {places} = state.recording, {predicted: stages, wrong} = scores;
  const heights = ORDER.map((stage) => level(box, stage));
  line(pen, "#e4e4e4", 1, ...heights.map((y) => [LEFT, y, LEFT + width(), y]));
  pen.strokeStyle = "#000";
  pen.lineWidth = 1.3;
  pen.beginPath();
  for (const [number, left, wide] of inView()) {
    if (stages[number] === NONE) continue;
    const joined = number && places[number - 1] === places[number] - 1 && stages[number - 1] !== NONE;
    pen[joined ? "lineTo" : "moveTo"](left, level(box, stages[number]));
    pen.lineTo(left + wide, level(box, stages[number]));
  }
  pen.stroke();
  for (const [number, left, wide] of inView()) {
    if (stages[number] === NONE || (!wrong?.[number] && STAGES[stages[number]] !== "REM")) continue;
    pen.fillStyle = wrong?.[number] ? DIFFERS : "#000";
    pen.fillRect(left, level(box, stages[number]) - 2, wide, 4);
  }
}

function differences(pen, {top, height}, scores) {
  if (!scores) return;
  pen.fillStyle = DIFFERS;
  for (const [number, left, wide] of inView()) {
    if (scores.wrong[number]) pen.fillRect(left, top, wide, height);
  }
}

function areas(pen, box, scores) {
  if (!scores) return nothing(pen, box);
  if (!scores.probabilities.length) return nothing(pen, box, "no probabilities");
  const {top, height} = box;
  for (const [number, left, wide] of inView()) {
    const values = ORDER.map((stage) => scores.probabilities[5 * number + stage]);
    const sum = values.reduce((a, b) => a + b);
    if (!sum) continue;
    let above = 0;
    ORDER.forEach((stage, place) => {
      const y = top + above / sum * height;
      above += values[place];
      pen.fillStyle = COLOURS[stage];
      pen.fillRect(left, y, wide, top + height - y);
    });
  }
}

function nothing(pen, {top, height}, why = "left out") {
  label(pen, why, LEFT + width() / 2, top + height / 2, "center");
}

function legend(pen, box) {
  for (const stage of ORDER) {
    const y = level(box, stage), x = LEFT + width() + 6;
    pen.fillStyle = COLOURS[stage];
    pen.fillRect(x, y - 5, 12, 10);
    pen.strokeStyle = "#000";
    pen.strokeRect(x, y - 5, 12, 10);
    label(pen, STAGES[stage], x + 17, y, "left", SMALL);
  }
}

function spectrogram(pen, {top, height}, {picture: made}) {
  const {recording} = state;
  pen.imageSmoothingEnabled = false;
  const left = across(recording.first), right = across(recording.end);
  pen.drawImage(made, left, top, right - left, height);
}

function scale(pen, {top, height}, {low, high}) {
  const [from, to] = state.recording.hertz;
  for (const hertz of height > 70 ? [10, 20, 30] : [15, 30]) {
    const y = top + height * (1 - (hertz - from) / (to - from));
    label(pen, `${hertz} Hz`, LEFT - 5, y, "right", SMALL);
  }
  const x = LEFT + width() + 6;
  const colours = pen.createLinearGradient(0, top + height, 0, top);
  RAMP.forEach((colour, number) => colours.addColorStop(number / (RAMP.length - 1), colour));
  pen.fillStyle = colours;
  pen.fillRect(x, top, 10, height);
  label(pen, `${high.toFixed(0)} dB`, x + 14, top + 6, "left", SMALL);
  label(pen, low.toFixed(0), x + 14, top + height - 6, "left", SMALL);
}

// The crosshair and what it says.

function point(place) {
  const {recording, view} = state;
  const pen = fresh(cross);
  state.epoch = place;
  if (place === null || !recording) {
    by("epoch").textContent = "";
    return;
  }
  const left = across(place), right = across(place + 1);
  if (place >= view.from - 1 && place < view.to) {
    const x = (left + right) / 2;
    pen.fillStyle = "rgba(0, 0, 0, 0.12)";
    pen.fillRect(left, AXIS, Math.max(right - left, 1), cross.clientHeight);
    line(pen, "#fff", 3, [x, AXIS - 4, x, cross.clientHeight]);
    line(pen, "#000", 1, [x, AXIS - 4, x, cross.clientHeight]);
  }
  by("epoch").textContent = told(place);
}

function told(place) {
  const {recording} = state, number = recording.at.get(place), scores = run();
  const words = [clock(place), `epoch ${place + 1}`];
  if (number === undefined) return [...words, "not scored"].join(" · ");
  words.push(`scorer ${STAGES[recording.true[number]]}`);
  if (scores) {
    const differs = scores.wrong[number] ? " (differs)" : "";
    const none = scores.predicted[number] === NONE;
    words.push(`${system()} ${none ? "without a prediction" : STAGES[scores.predicted[number]]}${differs}`);
    if (scores.probabilities.length && !none)
      words.push(ORDER.map((stage) =>
        `${STAGES[stage]} ${Math.round(scores.probabilities[5 * number + stage] / 2.55)} %`).join(", "));
  }
  return words.join(" · ");
}

// Moving about.

function look(from, to) {
  const {first, end} = state.recording;
  const size = Math.min(Math.max(to - from, NARROWEST), end - first);
  const begin = Math.min(Math.max(from, first), end - size);
  state.view = {from: begin, to: begin + size};
  draw();
}

function zoom(factor, around) {
  if (!state.recording) return;
  const {from, to} = state.view, middle = around ?? state.epoch ?? (from + to) / 2;
  look(middle - (middle - from) * factor, middle + (to - middle) * factor);
}

function goTo(place) {
  const {from, to} = state.view;
  if (place < from || place >= to) look(place - (to - from) / 2, place + (to - from) / 2);
  point(place);
}

function move(epochs) {
  const {recording, view} = state;
  if (!recording) return;
  const place = state.epoch === null ? Math.ceil(view.from) : state.epoch + epochs;
  goTo(Math.min(Math.max(place, recording.first), recording.end - 1));
}

function disagreement(direction) {
  if (!state.recording) return;
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
  0: () => state.recording && look(-Infinity, Infinity),
};

document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key];
  // A list of choices has its own use for keys.
  if (!action || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  event.preventDefault();
  action();
});
for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", KEYS[button.dataset.key]);
}
for (const id of ["database", "window", "channels"]) by(id).addEventListener("change", chooseCase);
for (const id of ["system", "seed"]) by(id).addEventListener("change", chooseSystem);
by("recordings").addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) chooseRecording(row.dataset.name);
});
document.querySelector("nav thead").addEventListener("click", (event) => {
  const sort = event.target.dataset.sort;
  if (!sort) return;
  state.descending = state.sort === sort && !state.descending;
  state.sort = sort;
  listRecordings();
});

let held = null; // where the mouse went down, and what was in view
cross.addEventListener("pointerdown", (event) => {
  if (!state.recording) return;
  held = {x: event.offsetX, ...state.view};
  cross.setPointerCapture(event.pointerId);
});
cross.addEventListener("lostpointercapture", () => { held = null; });
cross.addEventListener("pointermove", (event) => {
  if (!state.recording) return;
  if (held) {
    const shift = (held.x - event.offsetX) / width() * (held.to - held.from);
    look(held.from + shift, held.to + shift);
  }
  const place = Math.floor(placeAt(event.offsetX));
  if (place >= state.view.from - 1 && place < state.view.to) point(place);
});
cross.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.8 : 1.25, state.recording && placeAt(event.offsetX));
}, {passive: false});
new ResizeObserver(draw).observe(by("plot"));

chooseCase();
