"use strict";

const LEVELS = ["W", "REM", "N1", "N2", "N3"]; // of a hypnogram, the highest first
const ORDER = LEVELS.map((name) => STAGES.indexOf(name));
const COLOURS = STAGES.map((name) => COLOUR_OF[name]);
const DIFFERS = "#b0127a";
const GAP = "#dcdcdc";
// Cividis: its lightness grows with the level.
const RAMP = ["#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c",
  "#dec958", "#fee838"];
const AXIS = 20, STRIP = 12, SPACE = 8, LOWEST = 68; // pixels; the last of a panel at least
let LEFT = 118, RIGHT = 62; // less where the page is narrow, and the titles are in the panels
const isNarrow = () => innerWidth < 700;
const FAMILY = '"DejaVu Sans", Verdana, Arial, sans-serif';
const FONT = `12px ${FAMILY}`, SMALL = `11px ${FAMILY}`;
const NARROWEST = 20; // epochs that are shown at least

const by = (id) => document.getElementById(id);
const system = () => by("system").value;
const panels = by("panels"), cross = by("cross");

// What is chosen: the list of the recordings of a case, the recording, an epoch, whether its
// signals are open; the epoch under the mouse; what is in view; the gain of the signals.
const state = {list: null, name: null, recording: null, epoch: null, open: false, hover: null,
  view: null, gain: 1, sort: "name", descending: false};

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
  const select = by(id), before = asked[id] ?? select.value;
  select.replaceChildren(...values.map((value) => new Option(value)));
  if (values.includes(before)) select.value = before;
}

// The part of the address after # says what is shown, and is a link to it.

const CHOICES = ["database", "window", "channels", "system", "other", "seed"];
let asked = {}; // what the address asks for, until it is shown

const address = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

function remember() {
  const parts = CHOICES.map((id) => [id, by(id).value]).concat([["recording", state.name]]);
  if (state.epoch !== null) parts.push([state.open ? "epoch" : "at", state.epoch + 1]);
  history.replaceState(null, "", `#${new URLSearchParams(parts.filter(([, value]) => value))}`);
}

function restore() {
  asked = address();
  state.name = asked.recording ?? state.name;
  chooseCase();
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
  if (names.length) await chooseRecording(names.includes(state.name) ? state.name : names[0]);
  else fail("No recording is scored by predictions that can be used.");
}

const NOBODY = "none";

function chooseSystem() {
  const {seeds, gaps} = state.list.systems[system()];
  offer("seed", Object.keys(seeds));
  offer("other", [NOBODY, ...Object.keys(state.list.systems).filter((one) => one !== system())]);
  offerPairs();
  by("gaps").hidden = !gaps.length;
  by("gaps").querySelector("summary").textContent =
    `${system()}: predictions that are left out (${gaps.length})`;
  by("gaps").querySelector("ul").replaceChildren(...gaps.map((gap) => element("li", gap)));
  listRecordings();
  if (state.recording) show();
}

// The systems that are shown, A and B; with the scorer, who may disagree with whom.
const compared = () => [system(), by("other").value].filter((name) => name && name !== NOBODY);

function pairs() {
  const [a, b] = compared();
  const found = {[`${a} ≠ scorer`]: [a]};
  return b ? {...found, [`${b} ≠ scorer`]: [b], [`${a} ≠ ${b}`]: [a, b]} : found;
}

function offerPairs() {
  const place = by("pair").selectedIndex;
  by("pair").replaceChildren(...Object.keys(pairs()).map((name) => new Option(name)));
  by("pair").selectedIndex = Math.min(Math.max(place, 0), by("pair").length - 1);
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
  state.epoch = state.hover = null;
  state.view = {from: state.recording.first, to: state.recording.end};
  const place = Number(asked.epoch ?? asked.at) - 1;
  const isThere = place >= state.recording.first && place < state.recording.end;
  if (isThere) state.epoch = place;
  state.open = isThere ? "epoch" in asked : state.open && !asked.recording;
  if (state.open && state.epoch === null) state.epoch = state.recording.first;
  asked = {};
  show();
}

function step(lines) {
  const rows = shown();
  const row = rows[rows.findIndex((one) => one.dataset.name === state.name) + lines];
  if (row) chooseRecording(row.dataset.name);
}

function fail(fault) {
  state.recording = null;
  asked = {};
  by("closeup").hidden = true;
  by("not-sleep").hidden = true;
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

// What a system says of the recording, with the chosen seed or, where it has another, with that.
function run(name = system()) {
  const seeds = state.recording.runs[name] ?? {};
  return seeds[by("seed").value] ?? (name === system() ? undefined : Object.values(seeds)[0]);
}

// Whether two disagree on each epoch: a system and the scorer, or two systems.
function differing([one, other]) {
  const ours = run(one), theirs = other && run(other);
  if (!ours || (other && !theirs)) return null;
  if (!other) return ours.wrong;
  return ours.predicted.map((stage, number) => stage !== NONE
    && theirs.predicted[number] !== NONE && stage !== theirs.predicted[number]);
}

function disagreements(pair) {
  const wrong = differing(pair);
  return wrong ? state.recording.places.filter((_, number) => wrong[number]) : [];
}

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
  by("not-sleep").hidden = !SIMULATED.includes(by("database").value);
  const dropped = recording.end - recording.first - count;
  by("summary").textContent = [
    `subject ${recording.subject}`,
    `${clock(recording.first)} to ${clock(recording.end)}`
      + (recording.clock === null ? " of the recording" : ""),
    `${count} epochs` + (dropped ? `, ${dropped} not scored` : ""),
    ...(run() ? [`accuracy ${fixed(accuracy, 1)} %`, `kappa ${fixed(kappa, 3)}`] : []),
    ...Object.entries(pairs()).filter(([, pair]) => differing(pair))
      .map(([name, pair]) => `${name}: ${disagreements(pair).length}`),
  ].join(" · ");
  note([
    ...compared().filter((name) => !run(name))
      .map((name) => `${name}: the predictions of this recording are left out.`),
    recording.missing ? `No signals: ${recording.missing}` : "",
  ].filter(Boolean).join(" "));
  panels.setAttribute("aria-label",
    `Hypnograms, disagreements, probabilities and spectrograms of ${state.name}`);
  draw();
  closeUp();
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
  [LEFT, RIGHT] = isNarrow() ? [34, 46] : [118, 62];
  const {recording} = state, runs = recording ? compared() : [];
  const images = recording?.images ?? [];
  const all = recording ? Object.values(pairs()) : [];
  const parts = 0.9 * (1 + runs.length) + 0.8 * runs.length + 0.9 * images.length;
  const gaps = 1 + 2 * runs.length + all.length + images.length;
  const fixedHeight = AXIS + all.length * STRIP + SPACE * gaps;
  by("plot").style.minHeight = `${Math.ceil(fixedHeight + LOWEST * parts)}px`;
  const pen = fresh(panels);
  point();
  if (!recording) return;
  const height = (panels.clientHeight - fixedHeight) / parts;
  let top = AXIS;
  const panel = (part, tall, draws, title) => {
    const box = {top, height: tall};
    if (!isNarrow()) label(pen, title, 0, top + tall / 2, "left", `bold ${FONT}`, LEFT - 36);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, top, width(), tall);
    pen.clip();
    unscored(pen, box);
    draws(pen, box, part);
    if (isNarrow() && tall > STRIP) tag(pen, title, LEFT + 3, top + 8);
    pen.restore();
    pen.strokeStyle = "#888";
    pen.lineWidth = 1;
    pen.strokeRect(LEFT - 0.5, top - 0.5, width() + 1, tall + 1);
    top += tall + SPACE;
    return box;
  };
  hours(pen);
  levels(pen, panel({predicted: recording.true}, 0.9 * height, hypnogram, "scorer"));
  runs.forEach((name, place) => {
    panel(differing([name]), STRIP, differences, "differs");
    levels(pen, panel(run(name), 0.9 * height, hypnogram, name));
    legend(pen, panel(run(name), 0.8 * height, areas, "probability"));
    if (place) panel(differing(runs), STRIP, differences, "A ≠ B");
  });
  for (const image of images) {
    scale(pen, panel(image, 0.9 * height, spectrogram, image.channel), image);
  }
}

function tag(pen, text, x, y) {
  pen.font = `bold ${SMALL}`;
  pen.fillStyle = "rgba(255, 255, 255, 0.8)";
  pen.fillRect(x - 2, y - 7, pen.measureText(text).width + 4, 14);
  label(pen, text, x, y, "left", `bold ${SMALL}`);
}

// Epochs in view: number, left, width; whole pixels, so that neighbours leave no seam.
function* inView() {
  for (const [number, place] of state.recording.places.entries()) {
    if (place + 1 < state.view.from || place > state.view.to) continue;
    const left = Math.round(across(place));
    yield [number, left, Math.max(Math.round(across(place + 1)) - left, 1)];
  }
}

function unscored(pen, {top, height}) {
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
  label(pen, recording.clock === null ? "time" : "clock", 0, 6, "left", isNarrow() ? SMALL : FONT);
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

function differences(pen, {top, height}, wrong) {
  if (!wrong) return;
  pen.fillStyle = DIFFERS;
  for (const [number, left, wide] of inView()) {
    if (wrong[number]) pen.fillRect(left, top, wide, height);
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
    frequency(pen, hertz, y);
  }
  const x = LEFT + width() + 6;
  const colours = pen.createLinearGradient(0, top + height, 0, top);
  RAMP.forEach((colour, number) => colours.addColorStop(number / (RAMP.length - 1), colour));
  pen.fillStyle = colours;
  pen.fillRect(x, top, 10, height);
  label(pen, high.toFixed(0) + (isNarrow() ? "" : " dB"), x + 14, top + 6, "left", SMALL);
  label(pen, low.toFixed(0), x + 14, top + height - 6, "left", SMALL);
}

const frequency = (pen, hertz, y) =>
  label(pen, isNarrow() ? `${hertz}` : `${hertz} Hz`, LEFT - 5, y, "right", SMALL);

// The crosshair at the mouse, or at the chosen epoch, and what it says.

function point() {
  const {recording, view, epoch, hover} = state;
  const pen = fresh(cross), place = hover ?? epoch;
  by("epoch").textContent = recording && place !== null ? told(place) : "";
  if (!recording) return;
  for (const [at, shade] of [[epoch, "rgba(176, 18, 122, 0.25)"], [hover, "rgba(0, 0, 0, 0.12)"]]) {
    if (at === null || at < view.from - 1 || at >= view.to) continue;
    const left = across(at), right = across(at + 1), x = (left + right) / 2;
    pen.fillStyle = shade;
    pen.fillRect(left, AXIS, Math.max(right - left, 1), cross.clientHeight);
    line(pen, "#fff", 3, [x, AXIS - 4, x, cross.clientHeight]);
    line(pen, at === epoch ? DIFFERS : "#000", 1, [x, AXIS - 4, x, cross.clientHeight]);
  }
}

// The stage that a system gives an epoch, and its probabilities as shares of 1, or null.
function says(name, number) {
  const scores = run(name), stage = scores?.predicted[number] ?? NONE;
  if (stage === NONE) return {stage: null, shares: null, differs: false};
  const known = scores.probabilities.length > 0;
  const shares = known && STAGES.map((_, one) => scores.probabilities[5 * number + one] / 255);
  return {stage, shares: shares || null, differs: Boolean(scores.wrong[number])};
}

function told(place) {
  const {recording} = state, number = recording.at.get(place);
  const words = [clock(place), `epoch ${place + 1}`];
  if (number === undefined) return [...words, "not scored"].join(" · ");
  words.push(`scorer ${STAGES[recording.true[number]]}`);
  for (const name of compared().filter((one) => run(one))) {
    const {stage, shares, differs} = says(name, number);
    words.push(`${name} ${stage === null ? "without a prediction" : STAGES[stage]}${differs ? " (differs)" : ""}`);
    if (shares) words.push(ORDER.map((one) => `${STAGES[one]} ${Math.round(100 * shares[one])} %`).join(", "));
  }
  return words.join(" · ");
}

// The signals of the chosen epoch.

const RATE = 100, SECONDS = 30, WINDOW = 200, FFT = 256, SILENCE = 1e-6;
const WIDER = 6; // decibels by which 2 s leave the limits of the means over epochs
const BINS = 80, ROWS = 40; // bins above 0 Hz as far as they are shown, two in a row
const pieces = new Map(); // of the recording that was last looked at
let latest = 0; // of the close-ups that are asked for

function choose(place) {
  state.epoch = place;
  state.hover = null;
  point();
  closeUp();
}

async function closeUp() {
  const {recording, epoch, open, name} = state, ticket = ++latest;
  remember();
  by("closeup").hidden = !open || epoch === null;
  if (by("closeup").hidden) return;
  const number = recording.at.get(epoch);
  by("heading").textContent = `${clock(epoch)} · epoch ${epoch + 1}`
    + (number === undefined ? " · not scored" : "");
  listChances(number);
  const why = recording.missing ?? (recording.traced ? "" :
    `this page has the signals of ${state.list.traced} of ${state.list.recordings.length} recordings, ` +
    "those with the lowest accuracy, as those of all would take more room than it may");
  const path = [...chosen().slice(0, 2), "traces", name, String(Math.floor(epoch / PIECE))];
  const content = why ? {fault: why} : number === undefined ? {fault: ""} : await piece(path);
  if (ticket !== latest) return; // another was chosen meanwhile
  by("untraced").textContent = content.fault ? `No signals: ${content.fault}` : "";
  by("untraced").hidden = !content.fault;
  by("traces").hidden = by("stored").hidden = "fault" in content;
  if (!("fault" in content)) drawTraces(content.channels, content.places.indexOf(epoch));
  by("closeup").scrollIntoView({block: "nearest"});
}

async function piece(path) {
  const key = path.join("/");
  if (!pieces.has(key)) {
    if (pieces.size > 3) pieces.clear();
    const content = await load(path);
    for (const one of Object.values(content.channels ?? {})) one.values = new Int8Array(bytes(one.values).buffer);
    if (content.fault) return content;
    pieces.set(key, content);
  }
  return pieces.get(key);
}

// Who says what, with the probabilities as bars.
function listChances(number) {
  const row = (name, told, cells) => {
    const made = document.createElement("tr"), head = element("th", name);
    head.scope = "row";
    made.append(head, element("td", told), ...cells);
    return made;
  };
  const top = document.createElement("tr");
  top.append(element("th", ""), element("th", "stage"), ...ORDER.map((stage) => {
    const made = element("th", STAGES[stage]);
    made.style.borderBottomColor = COLOURS[stage];
    return made;
  }));
  by("chances").tHead.replaceChildren(top);
  const stage = number === undefined ? "–" : STAGES[state.recording.true[number]];
  const rows = compared().filter((name) => run(name)).map((name) => {
    const {stage: told, shares, differs} = says(name, number);
    const cells = ORDER.map((one) => {
      const cell = element("td", shares ? `${Math.round(100 * shares[one])} %` : "");
      const end = shares ? 100 * shares[one] : 0;
      cell.style.background = `linear-gradient(90deg, #cfd8e3 ${end}%, transparent ${end}%)`;
      return cell;
    });
    const made = row(name, told === null ? "–" : STAGES[told], cells);
    made.classList.toggle("differs", differs);
    return made;
  });
  by("chances").tBodies[0].replaceChildren(row("scorer", stage, ORDER.map(() => element("td", ""))), ...rows);
}

const NICE = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

function drawTraces(channels, at) {
  const names = Object.keys(channels), canvas = by("traces");
  const kinds = new Set(names.map((name) => name.slice(0, 3)));
  const filters = state.recording.filter.split("+").filter((one) => kinds.has(one.slice(0, 3)));
  by("stored").textContent = "As stored for the networks: at 100 Hz, filters: "
    + `${filters.map((one) => one.replace("-", " ")).join(", ") || "none"}. `
    + "Each column of the spectrogram is of the 2 s around it.";
  const trace = 74, image = 58, gap = 8, axis = 18;
  canvas.style.height = `${axis + names.length * (trace + image + 2 * gap)}px`;
  const pen = fresh(canvas), {recording} = state;
  const x = (second) => LEFT + second / SECONDS * (canvas.clientWidth - LEFT - RIGHT);
  const end = x(SECONDS);
  for (let second = 0; second <= SECONDS; second += 5) label(pen, `${second} s`, x(second), 7, "center", SMALL);
  let top = axis;
  for (const name of names) {
    const {steps, values, height} = channels[name];
    const signal = Float32Array.from(values.subarray(at * RATE * SECONDS, (at + 1) * RATE * SECONDS),
      (value) => value * steps[at]);
    const limit = height / state.gain, middle = top + trace / 2;
    const y = (microvolts) => middle - microvolts / limit * trace / 2;
    for (let second = 0; second <= SECONDS; second++)
      line(pen, second % 5 ? "#eee" : "#ccc", 1, [x(second), top, x(second), top + trace]);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, top, end - LEFT, trace);
    pen.clip();
    pen.strokeStyle = "#000";
    pen.lineWidth = 1;
    pen.beginPath();
    signal.forEach((value, sample) => pen.lineTo(x((sample + 0.5) / RATE), y(value)));
    pen.stroke();
    // of epochs of 20 s the 5 s before and after
    const margin = (SECONDS - recording.step) / 2;
    pen.fillStyle = "rgba(120, 120, 120, 0.18)";
    pen.fillRect(LEFT, top, x(margin) - LEFT, trace);
    pen.fillRect(x(SECONDS - margin), top, end - x(SECONDS - margin), trace);
    pen.restore();
    pen.strokeStyle = "#888";
    pen.strokeRect(LEFT - 0.5, top - 0.5, end - LEFT + 1, trace + 1);
    const bar = NICE.findLast((one) => one <= limit) ?? NICE[0];
    line(pen, "#000", 2, [end + 8, middle - bar / limit * trace / 4, end + 8, middle + bar / limit * trace / 4]);
    label(pen, `${bar}`, end + 13, middle - 6, "left", SMALL);
    label(pen, "µV", end + 13, middle + 6, "left", SMALL);
    isNarrow() ? tag(pen, name, LEFT + 3, top + 8) : label(pen, name, 0, middle, "left", `bold ${FONT}`);
    top += trace + gap;
    spectrum(pen, {top, height: image, left: x(0.5), right: x(SECONDS - 0.5)}, signal, recording.images.find((one) => one.channel === name));
    pen.strokeStyle = "#888";
    pen.strokeRect(LEFT - 0.5, top - 0.5, end - LEFT + 1, image + 1);
    const hertz = (one) => top + image * (1 - (one * FFT / RATE - 0.5) / BINS);
    for (const one of [10, 20, 30]) frequency(pen, one, hertz(one));
    top += image + gap;
  }
  canvas.setAttribute("aria-label", `Signals and spectrograms of ${names.join(", ")}`);
}

// The image of a signal as the networks get it: decibels of 2-s Hamming windows, each a second later.
function decibels(signal) {
  const frames = [];
  for (let start = 0; start + WINDOW <= signal.length; start += RATE) {
    const part = Array.from({length: WINDOW}, (_, n) =>
      signal[start + n] * (0.54 - 0.46 * Math.cos(2 * Math.PI * n / (WINDOW - 1))));
    frames.push(Array.from({length: BINS}, (_, bin) => {
      let real = 0, imaginary = 0;
      for (let n = 0; n < WINDOW; n++) {
        const angle = ((bin + 1) * n) % FFT;
        real += part[n] * COSINE[angle];
        imaginary += part[n] * SINE[angle];
      }
      return 20 * Math.log10(Math.max(Math.hypot(real, imaginary), SILENCE));
    }));
  }
  return frames;
}

const ANGLES = Array.from({length: FFT}, (_, n) => 2 * Math.PI * n / FFT);
const COSINE = ANGLES.map(Math.cos), SINE = ANGLES.map(Math.sin);

function spectrum(pen, {top, height, left, right}, signal, known) {
  const frames = decibels(signal).map((levels) => Array.from({length: ROWS}, (_, row) =>
    (levels[2 * row] + levels[2 * row + 1]) / 2));
  const every = frames.flat().sort((a, b) => a - b);
  const low = known ? known.low - WIDER : every[Math.floor(0.01 * every.length)];
  const high = known ? known.high + WIDER : every[Math.floor(0.99 * every.length)];
  const made = document.createElement("canvas");
  made.width = frames.length;
  made.height = ROWS;
  const brush = made.getContext("2d"), picture = brush.createImageData(made.width, ROWS);
  frames.forEach((levels, frame) => levels.forEach((level, row) => {
    const place = Math.round(255 * Math.min(Math.max((level - low) / Math.max(high - low, 1e-9), 0), 1));
    picture.data.set(TABLE[place], 4 * ((ROWS - 1 - row) * made.width + frame));
  }));
  brush.putImageData(picture, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(made, left, top, right - left, height);
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
  const {from, to} = state.view, middle = around ?? state.hover ?? state.epoch ?? (from + to) / 2;
  look(middle - (middle - from) * factor, middle + (to - middle) * factor);
}

function goTo(place) {
  const {from, to} = state.view;
  if (place < from || place >= to) look(place - (to - from) / 2, place + (to - from) / 2);
  choose(place);
}

function move(epochs) {
  const {recording, view} = state;
  if (!recording) return;
  const here = state.hover ?? state.epoch;
  const place = here === null ? Math.ceil(view.from) : here + epochs;
  goTo(Math.min(Math.max(place, recording.first), recording.end - 1));
}

function disagreement(direction) {
  if (!state.recording) return;
  const found = disagreements(Object.values(pairs())[by("pair").selectedIndex]);
  const here = state.hover ?? state.epoch ?? (direction > 0 ? -1 : Infinity);
  const place = direction > 0
    ? found.find((one) => one > here)
    : found.findLast((one) => one < here);
  if (place !== undefined) goTo(place);
}

function open(isOpen) {
  if (!state.recording) return;
  state.open = isOpen;
  choose(state.hover ?? state.epoch ?? Math.ceil(state.view.from));
}

function amplify(factor) {
  state.gain = Math.min(Math.max(state.gain * factor, 1 / 16), 16);
  closeUp();
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
  a: () => amplify(2),
  s: () => amplify(0.5),
  Enter: () => open(true),
  Escape: () => open(false),
};

document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key];
  // A list of choices has its own use for keys.
  if (!action || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (event.key === "Enter" && event.target.matches("button, summary")) return;
  event.preventDefault();
  action();
});
for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", KEYS[button.dataset.key]);
}
for (const id of ["database", "window", "channels"]) by(id).addEventListener("change", chooseCase);
for (const id of ["system", "other", "seed"]) by(id).addEventListener("change", chooseSystem);
by("pair").addEventListener("change", () => by("pair").blur());
window.addEventListener("hashchange", restore);
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

const CLICK = 4; // pixels that the mouse moves at most in a click
let held = null; // where the mouse went down, and what was in view
cross.addEventListener("pointerdown", (event) => {
  if (!state.recording) return;
  held = {x: event.offsetX, moved: false, ...state.view};
  cross.setPointerCapture(event.pointerId);
});
cross.addEventListener("pointerup", (event) => {
  const place = Math.floor(placeAt(event.offsetX)), isClick = held && !held.moved;
  if (!isClick || place < state.view.from - 1 || place >= state.view.to) return;
  state.hover = place;
  open(true);
});
cross.addEventListener("lostpointercapture", () => { held = null; });
cross.addEventListener("pointermove", (event) => {
  if (!state.recording) return;
  if (held && (held.moved ||= Math.abs(held.x - event.offsetX) > CLICK)) {
    const shift = (held.x - event.offsetX) / width() * (held.to - held.from);
    look(held.from + shift, held.to + shift);
  }
  const place = Math.floor(placeAt(event.offsetX));
  state.hover = place >= state.view.from - 1 && place < state.view.to ? place : null;
  point();
});
cross.addEventListener("pointerleave", () => {
  state.hover = null;
  point();
});
cross.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.8 : 1.25, state.recording && placeAt(event.offsetX));
}, {passive: false});
new ResizeObserver(() => {
  draw();
  if (state.recording) closeUp();
}).observe(by("plot"));

restore();
