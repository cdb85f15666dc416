// The pump's logic with a clock of the test's own: `node --test`, no browser.
import assert from "node:assert/strict";
import { test } from "node:test";

const { FACE_COLORS, Pump, faceColor, heatColors, placed, refusal, statusText } = await import(process.env.WIDGET_MODULE);

test("two frames are under way at most, and an answer makes room for the next", () => {
  const pump = new Pump();
  pump.start(0);
  assert.deepEqual([pump.next(1), pump.next(2), pump.next(3)], [1, 2, null]);
  assert.equal(pump.answered(1, 50), 49);
  assert.equal(pump.next(51), 3);
});

test("a displaced frame makes room, too, and is counted", () => {
  const pump = new Pump();
  pump.start(0);
  pump.next(1);
  pump.next(2);
  pump.lost(2, 10);
  assert.equal(pump.next(11), 3);
  pump.answered(1, 20);
  assert.equal(pump.rates(20).dropped, 0.5);
});

test("nothing is sent before start and after stop", () => {
  const pump = new Pump();
  assert.equal(pump.next(0), null);
  pump.start(0);
  pump.stop();
  assert.equal(pump.next(1), null);
});

test("a camera that opens after stop, or after another start, is not wanted", () => {
  const pump = new Pump();
  const first = pump.start(0);
  assert.ok(pump.isCurrent(first));
  pump.stop();
  assert.ok(!pump.isCurrent(first));
  const second = pump.start(1);
  assert.ok(pump.isCurrent(second) && !pump.isCurrent(first));
});

test("an answer to a frame of an earlier stream is told apart", () => {
  const pump = new Pump();
  pump.start(0);
  const late = pump.next(1);
  pump.stop();
  pump.start(2);
  assert.equal(pump.answered(late, 3), null);
  assert.equal(pump.rates(3).answers, 0);
});

test("the kernel is silent after eight seconds without a word, whatever the word", () => {
  const pump = new Pump();
  pump.start(0);
  pump.next(1);
  assert.ok(!pump.isSilent(8000));
  assert.ok(pump.isSilent(8001));
  pump.heard(8001);
  assert.ok(!pump.isSilent(16001));
  pump.stop();
  assert.ok(!pump.isSilent(99_999));
});

test("rates are over the last three seconds, the delay is the median", () => {
  const pump = new Pump();
  pump.start(0);
  for (let index = 0; index < 100; index += 1) {
    const sequence = pump.next(index * 100);
    pump.answered(sequence, index * 100 + (index % 2 ? 40 : 60));
    pump.shown(index * 100 + 60);
  }
  const rates = pump.rates(9960);
  assert.ok(Math.abs(rates.answers - 10) < 0.5, `${rates.answers}`);
  assert.ok(Math.abs(rates.shown - 10) < 0.5);
  assert.ok([40, 60].includes(rates.delay));
  assert.equal(rates.dropped, 0);
  assert.ok(pump.events.answers.length <= 31);
});

test("every refusal says what to do", () => {
  const names = ["insecure", "NotAllowedError", "NotFoundError", "NotReadableError", "ended", "silent", "AbortError"];
  for (const name of names) assert.match(refusal(name), /Start|https/);
});

test("the status is short", () => {
  const rates = { answers: 23.7, delay: 40.2 };
  assert.equal(statusText(rates, 1), "24 answers/s · 1 face · 40 ms");
  assert.equal(statusText(rates, 3), "24 answers/s · 3 faces · 40 ms");
  assert.equal(statusText({ answers: 0, delay: null }, 0), "0 answers/s · no face");
});

test("a frame that was lost on its way makes room after three seconds, and is counted", () => {
  const pump = new Pump();
  pump.start(0);
  pump.next(0);
  pump.next(0);
  assert.equal(pump.next(2900), null);
  assert.equal(pump.next(3100), 3);
  assert.equal(pump.rates(3100).dropped, 1);
});

test("a face has the colour of its number, and after the last they begin anew", () => {
  assert.equal(faceColor(1), FACE_COLORS[0]);
  assert.equal(faceColor(FACE_COLORS.length + 2), FACE_COLORS[1]);
  assert.equal(new Set(FACE_COLORS).size, FACE_COLORS.length);
});

test("a picture of another shape than the stage lies in its middle", () => {
  assert.deepEqual(placed(640, 480, [320, 240]), [0, 0, 320, 240]);
  assert.deepEqual(placed(1280, 720, [640, 480]), [0, 60, 640, 360]);
  assert.deepEqual(placed(480, 640, [640, 480]), [140, 0, 360, 480]);
});

test("heat is clear at nothing, yellow for a little and red for most", () => {
  const [none, little, most] = [0, 0.25, 1].map((value) => [...heatColors([[value]])]);
  assert.equal(none[3], 0);
  assert.ok(little[3] > 0 && little[3] < most[3] && most[3] < 255);
  assert.ok(little[1] > 150 && most[1] < 40 && most[0] > 200);
  assert.equal(heatColors([[0, 1], [1, 0]]).length, 16);
});
