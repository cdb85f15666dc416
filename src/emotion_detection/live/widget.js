// The half of LiveView that runs in the browser: camera, pump, picture, boxes and bars, status line.
// Frames and answers travel as messages only. A camera opens only when `running` changes to true, never on load.

export const LIMIT = 2; // frames under way at once: a second doubles the rate, a third adds delay only
export const PATIENCE_MS = 8000; // without a word from the kernel for so long, the camera goes off
const BEAT_MS = 2000;
const TICK_MS = 25;
const SENT_LONG_SIDE_PX = 320;
const SENT_QUALITY = 0.7;
const STALE_MS = 1000; // boxes of an older answer are not drawn
const LOST_MS = 3000; // a frame without an answer for so long was lost on its way
const NOTICE_MS = 8000; // a remark about one frame stays for so long
const HEAT_STRENGTH = 0.65; // how much of the picture the strongest heat covers
const HINT_MS = 5000; // without a face for so long, the status says what may help
const UNSURE_COLOR = "#4A4A4A";
const CHOICES = [
  ["clip", "the sample clip"],
  ["browser", "this browser's camera"],
  ["kernel:0", "the kernel's camera 0"],
  ["address", "a file or URL …"],
];

/** Counts frames under way and what became of them. It knows no clock, camera or page: time is passed in, in ms. */
export class Pump {
  constructor({ limit = LIMIT, patience = PATIENCE_MS, window = 3000 } = {}) {
    Object.assign(this, { limit, patience, window, running: false, token: 0, sequence: 0, heardAt: 0 });
    this.clear();
  }

  clear() {
    this.underWay = new Map();
    this.events = { shown: [], answers: [], dropped: [] };
  }

  /** Begin; return a token that tells a late promise whether it is still wanted. */
  start(now) {
    this.clear();
    Object.assign(this, { running: true, heardAt: now, startedAt: now, token: this.token + 1 });
    return this.token;
  }

  stop() {
    this.running = false;
    this.token += 1;
    this.underWay.clear();
  }

  isCurrent(token) {
    return this.running && token === this.token;
  }

  /** Return the number of a frame to be sent now, or null while enough are under way. */
  next(now) {
    for (const [sequence, sentAt] of this.underWay) {
      if (now - sentAt > LOST_MS) this.underWay.delete(sequence) && this.note("dropped", now, 0);
    }
    if (!this.running || this.underWay.size >= this.limit) return null;
    this.sequence += 1;
    this.underWay.set(this.sequence, now);
    return this.sequence;
  }

  /** A frame was answered; return its delay, or null if it is not one of those under way. */
  answered(sequence, now) {
    this.heardAt = now;
    const sentAt = this.underWay.get(sequence);
    if (sentAt === undefined) return null;
    this.underWay.delete(sequence);
    this.note("answers", now, now - sentAt);
    return now - sentAt;
  }

  /** A frame will not be answered: displaced by a newer one, or not to be used. */
  lost(sequence, now) {
    this.heardAt = now;
    if (this.underWay.delete(sequence)) this.note("dropped", now, 0);
  }

  heard(now) {
    this.heardAt = now;
  }

  shown(now) {
    this.note("shown", now, 0);
  }

  note(kind, now, value) {
    const events = this.events[kind];
    events.push([now, value]);
    while (events.length && events[0][0] < now - this.window) events.shift();
  }

  /** Whether the kernel has said nothing for too long. */
  isSilent(now) {
    return this.running && now - this.heardAt > this.patience;
  }

  /** Pictures and answers per second, median delay in ms (null without answers), share of frames dropped. */
  rates(now) {
    const recent = (kind) => this.events[kind].filter(([at]) => at >= now - this.window);
    const seconds = Math.max(0.5, Math.min(this.window, now - (this.startedAt ?? now)) / 1000);
    const answers = recent("answers");
    const delays = answers.map(([, delay]) => delay).sort((a, b) => a - b);
    const dropped = recent("dropped").length;
    return {
      shown: recent("shown").length / seconds,
      answers: answers.length / seconds,
      delay: delays.length ? delays[Math.floor(delays.length / 2)] : null,
      dropped: answers.length + dropped ? dropped / (answers.length + dropped) : 0,
    };
  }
}

/** What to tell the reader when the browser gives no camera: what is wrong, what to do. */
export function refusal(name) {
  const messages = {
    insecure: "This page may not use a camera: browsers allow it on https and on localhost only. Open JupyterLab under " +
      "such an address, or take another source.",
    NotAllowedError: "The camera was refused. Allow it for this page (the camera symbol beside the address), then click " +
      "Start; or take another source.",
    NotFoundError: "This browser finds no camera. Plug one in and click Start, or take another source.",
    NotReadableError: "The camera is there but busy: another program uses it. Close that program and click Start, or " +
      "take another source.",
    elsewhere: "Start was clicked on another page, or in a cell. To use the camera of this page, click Start / Stop here twice.",
    ended: "The camera stopped giving pictures: unplugged, or taken away from this page. Plug it in and click Start, or " +
      "take another source.",
    silent: `The kernel has not answered for ${PATIENCE_MS / 1000} seconds, so the camera is off. It is busy with a ` +
      "cell, restarting or gone. When it is idle again, click Start (after a restart, run this cell again first).",
  };
  return messages[name] ?? `The camera does not open (${name}). Click Start to try again, or take another source.`;
}

/** What the status says of the faces of the newest answer; `missingMs`: for how long no answer held one. */
export function facesStatus(count, missingMs) {
  if (count) return `${count} ${count === 1 ? "face" : "faces"}`;
  if (missingMs < HINT_MS) return "no face";
  return `no face for ${Math.floor(missingMs / 1000)} s: look into the camera, come nearer, or turn on a light`;
}

/** The colour of a label's emotion, as on annotated pictures; grey where the network is not sure. */
export function labelColor(label, emotions) {
  return emotions.find((emotion) => emotion.shown === label)?.color ?? UNSURE_COLOR;
}

/** Black or white, whichever reads better on a colour such as "#E6A700". */
export function readableOn(color) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "black" : "white";
}

/** Colours of a heat map, 4 bytes a cell: nothing at 0, yellow for a little, red for most. */
export function heatColors(cells) {
  const bytes = cells.flat().flatMap((value) => [255 - 30 * value, 225 - 205 * value, 60 - 40 * value, 255 * HEAT_STRENGTH * value]);
  return Uint8ClampedArray.from(bytes);
}

/** A timer that a tab in the background does not slow down: it ticks in a worker of its own. */
function steadyTimer(period, tick) {
  try {
    const code = `setInterval(() => postMessage(0), ${period});`;
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const worker = new Worker(address);
    worker.onmessage = tick;
    URL.revokeObjectURL(address);
    return () => worker.terminate();
  } catch {
    const timer = setInterval(tick, period);
    return () => clearInterval(timer);
  }
}

/** One per model: owns the camera, whatever the number of views. */
function createSession(model) {
  const pump = new Pump();
  const views = new Set();
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  const canvas = document.createElement("canvas");
  const now = () => performance.now();
  const state = { stream: null, picture: null, answer: null, opened: null, notice: "", noticeUntil: Infinity, choices: [], faceAt: 0 };
  const kind = () => model.get("kinds")[model.get("chosen")];
  let stopTimers = [];
  let capturedTime = -1;

  const session = { pump, views, state, video, model, send, kind };

  function send(content, buffers) {
    try {
      model.send(content, undefined, buffers);
    } catch {
      release("silent"); // after a kernel restart there is nobody to send to
    }
  }

  function stopPump() {
    for (const stop of stopTimers) stop();
    stopTimers = [];
    pump.stop();
  }

  function release(reason, message) {
    stopPump();
    for (const track of state.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    video.srcObject = null;
    Object.assign(state, { stream: null, picture: null, answer: null, opened: null });
    if (reason || message) {
      tell(message ?? refusal(reason));
      state.choices = CHOICES.filter(([key]) => key !== "browser" || kind() !== "browser");
    }
    if (model.get("running")) {
      model.set("running", false);
      try {
        model.save_changes();
      } catch { /* the kernel is gone: the trait is ours alone */ }
    }
    redraw();
  }

  /** Show a sentence: a remark for a while, or what ended the stream until the next Start. */
  function tell(notice, lastsMs = Infinity) {
    Object.assign(state, { notice, noticeUntil: now() + lastsMs, choices: [] });
  }

  function fail(reason) {
    try {
      model.send({ type: "failed", reason });
    } catch { /* told on the page in any case */ }
    release(reason);
  }

  async function start() {
    const token = pump.start(now());
    Object.assign(state, { notice: "", choices: [], answer: null, opened: null, faceAt: now() });
    capturedTime = -1;
    let lastBeat = -Infinity;
    stopTimers = [steadyTimer(TICK_MS, () => {
      if (!pump.isCurrent(token)) return;
      if (pump.isSilent(now())) return release("silent");
      if (now() - lastBeat > BEAT_MS) {
        lastBeat = now();
        send({ type: "beat" });
      }
      if (state.stream) capture(token);
    })];
    redraw();
    if (kind() === "browser") await openCamera(token);
  }

  async function openCamera(token) {
    await null; // the click is told to all before it is taken back
    if (!pump.isCurrent(token)) return;
    if (navigator.userActivation?.isActive === false) return standAside();
    if (!navigator.mediaDevices?.getUserMedia) return fail("insecure");
    let stream;
    try {
      const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      if (pump.isCurrent(token)) fail(error.name);
      return;
    }
    if (!pump.isCurrent(token)) { // stopped while the reader was asked
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    state.stream = stream;
    for (const track of stream.getVideoTracks()) track.onended = () => fail("ended");
    video.srcObject = stream;
    await video.play().catch(() => {});
    redraw();
  }

  /** Start was not clicked on this page: its camera stays closed, and whoever clicked is not disturbed. */
  function standAside() {
    stopPump();
    tell(refusal("elsewhere"));
    redraw();
  }

  /** Send the picture that the camera has now; in the background browsers give no new ones, and none is sent. */
  function capture(token) {
    if (video.readyState < 2 || !video.videoWidth || video.currentTime === capturedTime) return;
    const sequence = pump.next(now());
    if (sequence === null) return;
    capturedTime = video.currentTime;
    const ratio = Math.min(1, SENT_LONG_SIDE_PX / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * ratio);
    canvas.height = Math.round(video.videoHeight * ratio);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(async (blob) => {
      const bytes = blob && (await blob.arrayBuffer());
      if (!bytes || !pump.isCurrent(token)) return pump.lost(sequence, pump.heardAt);
      send({ type: "frame", seq: sequence }, [bytes]);
    }, "image/jpeg", SENT_QUALITY);
  }

  async function showFrame(message, bytes) {
    if (!pump.running) return; // a page that shows nothing must not keep the kernel's camera on
    send({ type: "ack", seq: message.seq });
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null);
    if (!picture || !pump.running) return;
    state.picture?.close();
    state.picture = picture;
    take(message);
    pump.note("answers", now(), message.ms.delay);
    for (let index = 0; index < message.dropped; index += 1) pump.note("dropped", now(), 0);
    redraw();
  }

  function take(answer) {
    state.answer = { ...answer, at: now() };
    if (answer.faces.length) state.faceAt = now();
  }

  function receive(message, buffers) {
    pump.heard(now());
    if (message.type === "result") {
      if (pump.answered(message.seq, now()) !== null) take(message);
    } else if (message.type === "frame") {
      showFrame(message, buffers[0]);
    } else if (message.type === "dropped") {
      pump.lost(message.seq, now());
    } else if (message.type === "error") {
      if (message.seq !== null) pump.lost(message.seq, now());
      tell(message.message, NOTICE_MS);
    } else if (message.type === "beat") {
      state.opened ??= message.opened; // for a page that was loaded while the view ran
    } else if (message.type === "opened") {
      state.opened = message;
    } else if (message.type === "notice") {
      tell(message.message, NOTICE_MS);
    } else if (message.type === "ended") {
      release(null, message.message);
    } else if (message.type === "download") {
      download(message.name, message.text);
    }
    redraw();
  }

  /** The page was loaded while the view ran: join a stream of the kernel; a camera of this browser waits for a click. */
  function resume() {
    if (kind() !== "browser") return start();
    model.set("running", false);
    model.save_changes();
  }

  function redraw() {
    for (const view of views) view.redraw();
  }

  model.on("change:running", () => (model.get("running") ? start() : release()));
  model.on("change:mirror", redraw);
  model.on("change:chosen", () => (pump.running ? release() : redraw()));
  model.on("msg:custom", receive);
  model.on("destroy", () => release());
  if (model.get("running")) resume();
  return Object.assign(session, { release });
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function element(tag, className, parent, properties = {}) {
  const made = Object.assign(document.createElement(tag), { className }, properties);
  parent?.append(made);
  return made;
}

/** One per place where the cell is shown: canvases, bars, status line. */
function createView(session, root) {
  const { model, state, pump, video } = session;
  root.classList.add("emotion-live");
  const stage = element("div", "stage", root);
  const picture = element("canvas", "picture", stage, { width: 640, height: 480 });
  const overlay = element("canvas", "overlay", stage, { width: 640, height: 480 });
  const notice = element("div", "notice", root);
  notice.setAttribute("role", "alert");
  const addressForm = element("form", "address", root);
  const address = element("input", "", addressForm, { type: "text", placeholder: "path of a video, or rtsp://…", autocomplete: "off" });
  address.setAttribute("aria-label", "File or URL of the kernel's machine");
  element("button", "", addressForm, { type: "submit", textContent: "Open" });
  const bars = element("div", "faces", root);
  const status = element("div", "status", root);
  status.setAttribute("role", "status");
  const cards = new Map();
  const cells = document.createElement("canvas");
  let alive = true, drawnNotice = null, drawn = null;

  addressForm.onsubmit = (event) => {
    event.preventDefault();
    if (address.value.trim()) session.send({ type: "choose", source: "address", address: address.value.trim() });
    address.value = ""; // it may hold a password
  };

  function source() {
    if (state.stream && video.readyState >= 2) return [video, video.videoWidth, video.videoHeight];
    return state.picture ? [state.picture, state.picture.width, state.picture.height] : null;
  }

  function paint() {
    if (!alive) return;
    requestAnimationFrame(paint);
    const found = pump.running ? source() : null;
    if (!found) return;
    const [image, width, height] = found;
    for (const each of [picture, overlay]) {
      if (each.width !== width || each.height !== height) Object.assign(each, { width, height });
    }
    const newest = image === video ? video.currentTime : image;
    if (newest !== drawn) {
      drawn = newest;
      const counts = [...session.views][0] === view; // a picture shown in two places is one picture
      picture.getContext("2d").drawImage(image, 0, 0, width, height);
      if (counts) pump.shown(performance.now());
    }
    drawBoxes(width, height);
  }

  function drawBoxes(width, height) {
    const context = overlay.getContext("2d");
    context.clearRect(0, 0, width, height);
    const fresh = state.answer && performance.now() - state.answer.at < STALE_MS;
    const line = Math.max(2, width / 240);
    context.lineWidth = line;
    context.font = `600 ${Math.max(12, Math.round(height / 26))}px sans-serif`;
    context.textBaseline = "top";
    for (const face of fresh ? state.answer.faces : []) {
      if (face.heat) drawHeat(context, face.heat, width, height);
      const [left, top, w, h] = face.box;
      const x = (model.get("mirror") ? 1 - left - w : left) * width;
      const color = colorOf(face);
      context.strokeStyle = color;
      context.strokeRect(x, top * height, w * width, h * height);
      const number = state.answer.faces.length > 1 ? `${face.id}: ` : "";
      const text = number + labelOf(face, Object.keys(face.labels)[0]);
      const size = Math.max(12, Math.round(height / 26));
      const textWidth = context.measureText(text).width + size / 2;
      const textX = Math.max(0, Math.min(x, width - textWidth));
      const textY = Math.max(0, top * height - size * 1.3);
      context.fillStyle = color;
      context.fillRect(textX - line / 2, textY, textWidth, size * 1.3);
      context.fillStyle = readableOn(color);
      context.fillText(text, textX + size / 4, textY + size * 0.15);
    }
  }

  /** Draw a face's heat over what the network saw of it: the browser stretches the cells and smooths between them. */
  function drawHeat(context, heat, width, height) {
    const [rows, columns] = [heat.cells.length, heat.cells[0].length];
    Object.assign(cells, { width: columns, height: rows });
    cells.getContext("2d").putImageData(new ImageData(heatColors(heat.cells), columns, rows), 0, 0);
    const [left, top, w, h] = heat.square;
    context.save();
    if (model.get("mirror")) {
      context.translate(width, 0);
      context.scale(-1, 1);
    }
    context.imageSmoothingEnabled = true;
    context.drawImage(cells, left * width, top * height, w * width, h * height);
    context.restore();
  }

  function colorOf(face) {
    return labelColor(Object.values(face.labels)[0], model.get("emotions"));
  }

  function labelOf(face, network) {
    const probability = Math.round(100 * Math.max(...face.probabilities[network]));
    return `${face.labels[network]} ${probability} %`;
  }

  function drawBars() {
    const found = state.answer?.faces ?? [];
    for (const [id, card] of cards) {
      if (!found.some((face) => face.id === id)) {
        card.root.remove();
        cards.delete(id);
      }
    }
    for (const face of found) {
      const networks = Object.keys(face.probabilities);
      let card = cards.get(face.id);
      if (!card || card.networks.join() !== networks.join()) {
        card?.root.remove();
        card = createCard(face, networks);
        cards.set(face.id, card);
      }
      card.root.style.borderTopColor = colorOf(face);
      networks.forEach((network, column) => {
        const part = card.parts[column];
        part.label.textContent = labelOf(face, network);
        face.probabilities[network].forEach((value, index) => {
          part.bars[index].style.width = `${100 * value}%`;
          part.values[index].textContent = `${Math.round(100 * value)} %`;
        });
      });
    }
  }

  function createCard(face, networks) {
    const card = element("div", "face", bars);
    element("div", "name", card, { textContent: `Face ${face.id}` });
    const parts = networks.map((network) => {
      const part = element("div", "network", card);
      if (networks.length > 1) element("div", "name", part, { textContent: network });
      const label = element("div", "label", part);
      const rows = model.get("emotions").map((emotion) => {
        const row = element("div", "row", part);
        element("span", "emotion", row, { textContent: emotion.shown });
        const track = element("span", "track", row);
        const bar = element("span", "bar", track);
        bar.style.background = emotion.color;
        return [bar, element("span", "value", row)];
      });
      return { label, bars: rows.map(([bar]) => bar), values: rows.map(([, value]) => value) };
    });
    return { root: card, networks, parts };
  }

  function drawNotice() {
    const key = `${state.notice}|${state.choices.length}`;
    if (key === drawnNotice) return;
    drawnNotice = key;
    notice.replaceChildren();
    notice.hidden = !state.notice;
    element("div", "", notice, { textContent: state.notice });
    for (const [choice, shown] of state.choices) {
      element("button", "", notice, {
        textContent: shown,
        onclick: () => session.send({ type: "choose", source: choice }),
      });
    }
  }

  function drawStatus() {
    if (state.noticeUntil < performance.now()) {
      Object.assign(state, { notice: "", noticeUntil: Infinity });
      drawNotice();
    }
    if (!pump.running) {
      status.textContent = "Off. Start opens the chosen camera; pictures stay in this browser and the kernel's memory.";
      return;
    }
    if (!state.opened || !source()) {
      const asked = session.kind() === "browser" && !state.stream;
      status.textContent = asked ? "Waiting for the camera: allow it if asked …" : "Opening …";
      return;
    }
    const rates = pump.rates(performance.now());
    status.textContent = [
      `${state.opened.source}: ${rates.shown.toFixed(0)} pictures shown a second`,
      `${rates.answers.toFixed(0)} answers a second`,
      rates.delay === null ? "no answer yet" : `delay ${rates.delay.toFixed(0)} ms`,
      `${Math.round(100 * rates.dropped)} % dropped`,
      facesStatus(state.answer?.faces.length ?? 0, performance.now() - state.faceAt),
      `${state.opened.detector}, ${state.opened.networks.join(" and ")}`,
    ].join(" · ");
  }

  function redraw() {
    picture.style.transform = model.get("mirror") ? "scaleX(-1)" : "";
    addressForm.hidden = session.kind() !== "address";
    stage.hidden = !pump.running;
    if (!pump.running) {
      for (const each of [picture, overlay]) each.getContext("2d").clearRect(0, 0, each.width, each.height);
    }
    bars.hidden = !pump.running;
    drawNotice();
    drawBars();
    if (!pump.running) drawStatus();
  }

  const timer = setInterval(drawStatus, 500);
  requestAnimationFrame(paint);
  const view = {
    redraw,
    remove() {
      alive = false;
      clearInterval(timer);
    },
  };
  return view;
}

export default () => {
  let session;
  return {
    initialize({ model }) {
      session = createSession(model);
      return () => session.release();
    },
    render({ el }) {
      const view = createView(session, el);
      session.views.add(view);
      view.redraw();
      return () => {
        view.remove();
        session.views.delete(view);
        setTimeout(() => session.views.size || session.release(), 300); // not if the output was only moved
      };
    },
  };
};
