// The half of LiveView that runs in the browser: camera, pump, picture, boxes and bars, settings.
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
const HINT_MS = 5000; // without a face for so long, the cell says what may help
const KEPT_MS = 600; // bars of a face that is missed for a moment stay
export const FACE_COLORS = ["#FF3EA5", "#B6F000", "#12E5D2", "#FFFFFF", "#C9A7FF", "#FF9D8A"]; // of no emotion; black reads on each
const SETTINGS = ["mirror", "labels", "label_sets", "contempt", "minimum_confidence", "smoothing_s", "explained", "worth"];
const NOBODY = { id: null, labels: { "": "No face" }, shares: { "": "" }, said: { "": "" }, probabilities: { "": [] } };

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
    elsewhere: "Start was clicked on another page, or in a cell. To use the camera of this page, click Stop here, then Start.",
    ended: "The camera stopped giving pictures: unplugged, or taken away from this page. Plug it in and click Start, or " +
      "take another source.",
    silent: `The kernel has not answered for ${PATIENCE_MS / 1000} seconds, so the camera is off. It is busy with a ` +
      "cell, restarting or gone. When it is idle again, click Start (after a restart, run this cell again first).",
  };
  return messages[name] ?? `The camera does not open (${name}). Click Start to try again, or take another source.`;
}

/** What is under way, in a line: "24 answers/s · 1 face · 40 ms". */
export function statusText(rates, faces) {
  const count = faces ? `${faces} ${faces === 1 ? "face" : "faces"}` : "no face";
  return `${rates.answers.toFixed(0)} answers/s · ${count}${rates.delay === null ? "" : ` · ${rates.delay.toFixed(0)} ms`}`;
}

/** The colour of a face's number, the same on the picture and beside its bars. */
export function faceColor(id) {
  return FACE_COLORS[(id - 1) % FACE_COLORS.length];
}

/** Where a picture lies in a frame that it fills as far as its shape allows: left, top, width, height. */
export function placed(width, height, [frameWidth, frameHeight]) {
  const scale = Math.min(frameWidth / width, frameHeight / height);
  return [(frameWidth - width * scale) / 2, (frameHeight - height * scale) / 2, width * scale, height * scale];
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
  const state = {
    stream: null, picture: null, answer: null, opened: null, faces: [], faceAt: 0,
    notice: "", noticeUntil: Infinity, offersOthers: false, timeline: "",
  };
  const source = () => model.get("sources")[model.get("chosen")];
  let stopTimers = [];
  let capturedTime = -1;

  function send(content, buffers) {
    try {
      model.send(content, undefined, buffers);
    } catch {
      release("silent"); // after a kernel restart there is nobody to send to
    }
  }

  /** Take what the reader has chosen, here and in the kernel. */
  function set(traits) {
    for (const [name, value] of Object.entries(traits)) model.set(name, value);
    try {
      model.save_changes();
    } catch {
      release("silent");
    }
  }

  /** Start another source, or ask for its address. */
  function choose(key) {
    set({ chosen: model.get("sources").findIndex((each) => each.key === key) });
    if (source().kind !== "address") return set({ running: true });
    for (const view of views) view.askForAddress();
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
    Object.assign(state, { stream: null, picture: null, answer: null, opened: null, faces: [] });
    if (reason || message) {
      tell(message ?? refusal(reason));
      state.offersOthers = true;
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
    Object.assign(state, { notice, noticeUntil: now() + lastsMs, offersOthers: false });
  }

  function fail(reason) {
    try {
      model.send({ type: "failed", reason });
    } catch { /* told on the page in any case */ }
    release(reason);
  }

  async function start() {
    const token = pump.start(now());
    Object.assign(state, { answer: null, opened: null, faceAt: now() });
    tell("");
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
    if (source().kind === "browser") await openCamera(token);
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
    pump.note("answers", now(), message.ms.delay);
    for (let index = 0; index < message.dropped; index += 1) pump.note("dropped", now(), 0);
    take(message);
  }

  function take(answer) {
    state.answer = { ...answer, at: now() };
    if (answer.faces.length) Object.assign(state, { faces: answer.faces, faceAt: now() });
    for (const view of views) view.drawBars();
  }

  /** The faces whose bars are shown: one that is missed for a moment keeps its own. */
  function facesShown() {
    return state.answer?.faces.length || now() - state.faceAt > KEPT_MS ? state.answer?.faces ?? [] : state.faces;
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
    } else if (message.type === "timeline") {
      state.timeline = message.svg;
    } else if (message.type === "download") {
      download(message.name, message.text);
    }
    if (message.type !== "result" && message.type !== "frame") redraw();
  }

  /** The page was loaded while the view ran: join a stream of the kernel; a camera of this browser waits for a click. */
  function resume() {
    if (source().kind !== "browser") return start();
    set({ running: false });
  }

  function redraw() {
    for (const view of views) view.redraw();
  }

  model.on("change:running", () => (model.get("running") ? start() : release()));
  model.on("change:chosen", () => (pump.running ? release() : redraw()));
  for (const trait of SETTINGS) model.on(`change:${trait}`, redraw);
  model.on("msg:custom", receive);
  model.on("destroy", () => release());
  if (model.get("running")) resume();
  return { pump, views, state, video, model, send, set, choose, source, facesShown, release };
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = element("a", document.body, { href: address, download: name });
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function element(tag, parent, properties = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  parent?.append(made);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** One per place where the cell is shown: buttons, picture and boxes, bars, settings. */
function createView(session, root) {
  const { model, state, pump, video } = session;
  root.classList.add("emotion-live");

  const bar = element("div", root, { className: "bar" });
  const start = element("button", bar, { className: "start", type: "button" });
  const menu = element("select", bar, { className: "source", "aria-label": "Camera" });
  const place = element("span", bar, { className: "address" });
  const address = element("input", place, {
    type: "text", autocomplete: "off", placeholder: "camera number, path or rtsp://…",
    "aria-label": "Camera number, file or URL of the kernel's machine",
  });
  element("button", place, { type: "button", textContent: "Open", onclick: openAddress });

  const body = element("div", root, { className: "body" });
  const stage = element("div", body, { className: "stage" });
  const picture = element("canvas", stage, { className: "picture", role: "img", "aria-label": "Picture of the camera" });
  const overlay = element("canvas", stage, { className: "overlay", role: "img", "aria-label": "Boxes around faces" });
  const words = element("div", stage, { className: "words" });
  const notice = element("div", words, { className: "notice", role: "alert" });
  const hint = element("div", words, { className: "hint" });
  const bars = element("div", body, { className: "faces", role: "group", "aria-label": "Faces" });

  const foot = element("div", root, { className: "bar foot" });
  const status = element("details", foot, { className: "status" });
  const summary = element("summary", status);
  const details = element("dl", status);
  element("button", foot, { type: "button", textContent: "Draw timeline", onclick: () => session.send({ type: "timeline" }) });
  element("button", foot, { type: "button", textContent: "Save CSV", onclick: () => session.send({ type: "save" }) });
  const settings = createSettings(session, root);
  const timeline = element("details", root, { className: "timeline", open: true, hidden: true });
  element("summary", timeline, { textContent: "Timeline" });
  const drawing = element("div", timeline);

  const cards = new Map();
  const cells = document.createElement("canvas");
  let alive = true, drawnNotice = null, drawn = null, drawnTimeline = "";

  for (const each of model.get("sources")) element("option", menu, { textContent: each.shown, value: each.key });
  menu.onchange = () => session.set({ chosen: menu.selectedIndex });
  start.onclick = () => {
    const asks = session.source().kind === "address" && address.value.trim() && !pump.running;
    return asks ? openAddress() : session.set({ running: !model.get("running") });
  };
  address.onkeydown = (event) => { // JupyterLab's output swallows the submit of a form
    if (event.key !== "Enter") return;
    event.preventDefault();
    openAddress();
  };

  function openAddress() {
    session.send({ type: "open", address: address.value.trim() });
    address.value = ""; // it may hold a password
  }

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
    if (picture.width !== width || picture.height !== height) Object.assign(picture, { width, height });
    const newest = image === video ? video.currentTime : image;
    if (newest !== drawn) {
      drawn = newest;
      picture.getContext("2d").drawImage(image, 0, 0, width, height);
      if ([...session.views][0] === view) pump.shown(performance.now()); // shown in two places it is one picture
    }
    drawBoxes(width, height);
  }

  /** Draw on the overlay in pixels of the page, as fine as the screen is. */
  function drawBoxes(pictureWidth, pictureHeight) {
    const density = window.devicePixelRatio || 1;
    const size = [overlay.clientWidth, overlay.clientHeight];
    const [width, height] = size.map((each) => Math.round(each * density));
    if (overlay.width !== width || overlay.height !== height) Object.assign(overlay, { width, height });
    const context = overlay.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, ...size);
    if (!state.answer || performance.now() - state.answer.at > STALE_MS) return;
    const frame = placed(pictureWidth, pictureHeight, size);
    for (const face of state.answer.faces) {
      if (face.heat) drawHeat(context, face.heat, frame);
      drawBox(context, face, frame);
    }
  }

  function drawBox(context, face, [frameX, frameY, frameWidth, frameHeight]) {
    const [left, top, w, h] = face.box;
    const box = [
      frameX + (model.get("mirror") ? 1 - left - w : left) * frameWidth, frameY + top * frameHeight, w * frameWidth, h * frameHeight,
    ];
    for (const [color, line] of [["rgba(0, 0, 0, .85)", 5], [faceColor(face.id), 3]]) {
      context.strokeStyle = color;
      context.lineWidth = line;
      context.strokeRect(...box);
    }
    const [network] = Object.keys(face.labels);
    const number = state.answer.faces.length > 1 ? `${face.id}  ` : "";
    const size = Math.max(13, Math.min(18, frameHeight / 24));
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const text = `${number}${face.labels[network]} ${face.shares[network]}`;
    const width = context.measureText(text).width + size;
    const x = Math.max(frameX, Math.min(box[0] - 1.5, frameX + frameWidth - width));
    const y = Math.max(frameY, box[1] - 1.6 * size);
    context.fillStyle = faceColor(face.id);
    context.fillRect(x, y, width, 1.6 * size);
    context.fillStyle = "black";
    context.fillText(text, x + size / 2, y + 0.85 * size);
  }

  /** Draw a face's heat over what the network saw of it: the browser stretches the cells and smooths between them. */
  function drawHeat(context, heat, [frameX, frameY, width, height]) {
    const [rows, columns] = [heat.cells.length, heat.cells[0].length];
    Object.assign(cells, { width: columns, height: rows });
    cells.getContext("2d").putImageData(new ImageData(heatColors(heat.cells), columns, rows), 0, 0);
    const [left, top, w, h] = heat.square;
    context.save();
    context.translate(frameX + (model.get("mirror") ? width : 0), frameY);
    context.scale(model.get("mirror") ? -1 : 1, 1);
    context.imageSmoothingEnabled = true;
    context.drawImage(cells, left * width, top * height, w * width, h * height);
    context.restore();
  }

  /** Bring the bars up to date; without a face there is one card with empty bars, so that nothing jumps. */
  function drawBars() {
    const found = session.facesShown();
    const kept = new Set();
    for (const face of found.length ? found : [nobody()]) {
      const networks = Object.keys(face.probabilities);
      const rows = face.probabilities[networks[0]].length;
      const key = [face.id, rows, ...networks].join("|");
      if (!cards.has(key)) cards.set(key, createCard(face, networks, rows));
      kept.add(key);
      cards.get(key).parts.forEach((part, index) => fill(part, face, networks[index]));
    }
    for (const [key, card] of cards) {
      if (!kept.has(key) && cards.delete(key)) card.root.remove();
    }
  }

  function nobody() {
    const hints = pump.running && state.opened && performance.now() - state.faceAt > HINT_MS;
    const rows = model.get("emotions").length - (model.get("contempt") ? 0 : 1);
    const said = { "": hints ? "Come nearer, or turn on a light." : "" };
    return { ...NOBODY, said, probabilities: { "": Array(rows).fill(0) } };
  }

  function fill(part, face, network) {
    setText(part.label, face.labels[network]);
    setText(part.said, face.said[network]);
    const top = Math.max(...face.probabilities[network]);
    face.probabilities[network].forEach((value, index) => {
      part.rows[index].classList.toggle("top", value > 0 && value === top);
      part.bars[index].style.width = `${100 * value}%`;
      setText(part.values[index], face.id === null ? "" : `${Math.round(100 * value)} %`);
    });
  }

  function createCard(face, networks, count) {
    const card = element("section", bars, { className: "face", "aria-label": face.id === null ? "No face" : `Face ${face.id}` });
    const chip = element("span", card, { className: "chip", textContent: face.id ?? "–" });
    if (face.id !== null) chip.style.background = faceColor(face.id);
    const parts = networks.map((network) => {
      const part = element("div", card, { className: "network" });
      if (networks.length > 1) element("div", part, { className: "name", textContent: network });
      const label = element("div", part, { className: "label" });
      const said = element("div", part, { className: "said" });
      const rows = model.get("emotions").slice(0, count).map((emotion) => {
        const row = element("div", part, { className: "row" });
        element("span", row, { className: "emotion", textContent: emotion.shown });
        const bar = element("span", element("span", row, { className: "track" }), { className: "value-bar" });
        bar.style.background = emotion.color;
        return { row, bar, value: element("span", row, { className: "value" }) };
      });
      return { label, said, rows: rows.map(({ row }) => row), bars: rows.map(({ bar }) => bar), values: rows.map(({ value }) => value) };
    });
    return { root: card, parts };
  }

  /** What to say on the stage while there is no picture. */
  function hintText() {
    const { kind, shown } = session.source();
    if (!pump.running) {
      const does = kind === "address" ? "Type a camera number, a path or a URL above, and press Enter." : `Start opens ${shown}.`;
      return `${does}\nPictures stay in this page and in the kernel's memory.`;
    }
    if (source()) return "";
    return kind === "browser" && !state.stream ? "Waiting for the camera: allow it if the browser asks." : "Opening …";
  }

  function drawWords() {
    setText(hint, state.notice ? "" : hintText());
    stage.classList.toggle("on", pump.running);
    const key = `${state.notice}|${state.offersOthers}`;
    if (key === drawnNotice) return;
    drawnNotice = key;
    notice.replaceChildren();
    notice.hidden = !state.notice;
    element("div", notice, { textContent: state.notice });
    const others = state.offersOthers ? model.get("sources").filter((each) => each !== session.source()) : [];
    for (const { key, shown } of others) {
      element("button", notice, { type: "button", textContent: shown, onclick: () => session.choose(key) });
    }
  }

  function drawStatus() {
    if (state.noticeUntil < performance.now()) Object.assign(state, { notice: "", noticeUntil: Infinity });
    drawWords();
    if (!session.facesShown().length) drawBars();
    const rates = pump.rates(performance.now());
    const count = state.answer?.faces.length ?? 0;
    setText(summary, !pump.running ? "Off" : state.opened && source() ? statusText(rates, count) : "Opening …");
    if (status.open) drawDetails(rates);
    const seen = (state.answer?.faces ?? []).map((face) => Object.values(face.labels)[0]).join(", ");
    const label = seen ? `Boxes around faces: ${seen}` : "Boxes around faces";
    if (overlay.getAttribute("aria-label") !== label) overlay.setAttribute("aria-label", label);
  }

  function drawDetails(rates) {
    const facts = pump.running && state.opened ? {
      Source: state.opened.source,
      Pictures: `${rates.shown.toFixed(0)} shown a second, ${Math.round(100 * rates.dropped)} % not looked at`,
      Faces: state.opened.detector,
      Emotions: state.opened.networks.join(" and "),
    } : { Source: "nothing is open" };
    const text = JSON.stringify(facts);
    if (details.dataset.facts === text) return;
    details.dataset.facts = text;
    details.replaceChildren();
    for (const [name, fact] of Object.entries(facts)) {
      element("dt", details, { textContent: name });
      element("dd", details, { textContent: fact });
    }
  }

  function redraw() {
    setText(start, pump.running ? "Stop" : "Start");
    start.setAttribute("aria-pressed", String(pump.running));
    menu.selectedIndex = model.get("chosen");
    place.hidden = session.source().kind !== "address";
    picture.style.transform = model.get("mirror") ? "scaleX(-1)" : "";
    if (!pump.running) {
      for (const each of [picture, overlay]) each.getContext("2d").clearRect(0, 0, each.width, each.height);
    }
    settings();
    if (state.timeline !== drawnTimeline) {
      drawnTimeline = drawing.innerHTML = state.timeline;
      Object.assign(timeline, { hidden: false, open: true });
    }
    drawBars();
    drawStatus();
  }

  /** JupyterLab leaves plain keys to our controls; it hears those with Ctrl and the like, such as saving. */
  function shareKeys({ target, ctrlKey, metaKey, altKey, shiftKey, key }) {
    const isLabs = ctrlKey || metaKey || altKey || (shiftKey && key === "Enter");
    if (root.contains(target)) target.toggleAttribute("data-lm-suppress-shortcuts", !isLabs);
  }

  window.addEventListener("keydown", shareKeys, true);
  const timer = setInterval(drawStatus, 500);
  status.ontoggle = drawStatus;
  requestAnimationFrame(paint);
  const view = {
    redraw,
    drawBars,
    askForAddress: () => address.focus(),
    remove() {
      alive = false;
      clearInterval(timer);
      window.removeEventListener("keydown", shareKeys, true);
    },
  };
  return view;
}

/** The folded panel of settings, each bound to its trait; return a function that brings it up to date. */
function createSettings({ model, set }, root) {
  const panel = element("details", root, { className: "settings" });
  element("summary", panel, { textContent: "Settings" });
  const updates = [];

  /** A line of the panel: words, control, and what it says. */
  function line(trait, words, control, { property = "value", said = () => "", disabled = () => false } = {}) {
    const label = element("label", panel);
    element("span", label, { textContent: words });
    label.append(control);
    const output = element("output", label);
    control.oninput = () => set({ [trait]: control.type === "range" ? control.valueAsNumber : control[property] });
    updates.push(() => {
      if (String(control[property]) !== String(model.get(trait))) control[property] = model.get(trait);
      control.disabled = disabled();
      setText(output, said());
    });
  }

  function select(options) {
    const made = element("select", null);
    for (const [value, shown] of options) element("option", made, { value, textContent: shown });
    return made;
  }

  const slider = (max, step) => element("input", null, { type: "range", min: 0, max, step });
  const checkbox = () => element("input", null, { type: "checkbox" });
  const percent = (trait) => () => `${Math.round(100 * model.get(trait))} %`;
  const evidence = model.get("emotions").slice(0, 7).map(({ name, shown }) => [name, shown]);
  line("labels", "Answers", select(model.get("label_sets")), {
    disabled: () => model.get("label_sets").length < 2,
    said: () => model.get("label_sets").find(([name]) => name === model.get("labels"))?.[2] ?? "",
  });
  line("contempt", "Contempt as an eighth bar", checkbox(), { property: "checked", disabled: () => model.get("labels") !== "votes" });
  line("minimum_confidence", "Not sure below", slider(1, 0.01), { said: percent("minimum_confidence") });
  const worth = element("p", panel);
  line("smoothing_s", "Smoothing", slider(2, 0.1), { said: () => `${model.get("smoothing_s").toFixed(1)} s` });
  line("explained", "Show why", select([["", "off"], ["answer", "for the answer"], ...evidence]), {
    said: () => (model.get("explained") ? "yellow to red: what speaks for it" : ""),
  });
  line("mirror", "Mirror the picture", checkbox(), { property: "checked" });
  updates.push(() => setText(worth, model.get("worth")));
  return () => updates.forEach((update) => update());
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
