// Emmett's PostgreSQL store as its documentation shows it: one appendToStream a commit, a consumer for live reading.
// Answers one JSON object a line, like the programs of the other peers.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { performance } from 'node:perf_hooks';
import { dumbo } from '@event-driven-io/dumbo';
import { getPostgreSQLEventStore, postgreSQLEventStoreConsumer, readMessagesBatch } from '@event-driven-io/emmett-postgresql';

const FILL_COMMIT = 100;
const PAGE = 1000n;
const QUIET_MS = 3000;
const PATIENCE_MS = 5000;
const START_MS = 20000;

let url, store, sample;
let number = 0;
const streams = new Map();
const answers = process.stdout.write.bind(process.stdout);
// What a library prints must not be taken for an answer.
process.stdout.write = process.stderr.write.bind(process.stderr);

class Missing extends Error {}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const prepare = (events) => Array.from({ length: events }, () => ({ type: 'OrderPlaced', data: sample }));
const newStream = () => `order-${++number}`;

function percentiles(values) {
  if (values.length === 0) throw new Missing('nothing was finished in the time');
  const ordered = values.toSorted((a, b) => a - b);
  const at = (share) => ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))];
  return { p50_ms: at(0.5), p99_ms: at(0.99) };
}

function version(name) {
  return JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version;
}

async function open(given) {
  ({ url, sample } = given);
  store = getPostgreSQLEventStore(url);
  await store.schema.migrate();
  return { versions: { 'emmett-postgresql': version('@event-driven-io/emmett-postgresql'), node: process.versions.node } };
}

async function append({ callers, per_commit, seconds }) {
  const latencies = [];
  const began = performance.now();
  const end = began + seconds * 1000;
  const call = async () => {
    for (let asked = performance.now(); asked < end; asked = performance.now()) {
      await store.appendToStream(newStream(), prepare(per_commit));
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  const took = (performance.now() - began) / 1000;
  return { events: latencies.length * per_commit, seconds: took, ...percentiles(latencies) };
}

async function fill({ lengths }) {
  for (const length of lengths) {
    streams.set(length, newStream());
    for (let first = 0; first < length; first += FILL_COMMIT) {
      await store.appendToStream(streams.get(length), prepare(Math.min(FILL_COMMIT, length - first)));
    }
  }
  return {};
}

async function load({ length, times }) {
  const took = [];
  for (let turn = 0; turn < times; turn++) {
    const began = performance.now();
    const { events } = await store.readStream(streams.get(length));
    took.push(performance.now() - began);
    if (events.length !== length) throw new Missing(`it read ${events.length} of ${length} events`);
  }
  return percentiles(took);
}

async function readAll() {
  const pool = dumbo({ connectionString: url });
  const began = performance.now();
  let events = 0;
  for (let after = 0n, left = true; left; ) {
    const batch = await readMessagesBatch(pool.execute, { after, batchSize: Number(PAGE) });
    events += batch.messages.length;
    after = batch.currentGlobalPosition;
    left = batch.areMessagesLeft;
  }
  const seconds = (performance.now() - began) / 1000;
  await pool.close();
  return { events, seconds };
}

async function following(seen, during) {
  const probe = `probe-${randomUUID()}`;
  let follows = false;
  const eachMessage = (message) => {
    if (message.metadata.streamName === probe) follows = true;
    else seen(message);
  };
  const consumer = postgreSQLEventStoreConsumer({ connectionString: url });
  consumer.reactor({ processorId: randomUUID(), startFrom: 'END', eachMessage });
  const running = consumer.start();
  try {
    // It does not say when it has found the end: what is written before is not its to see.
    for (const began = performance.now(); !follows; await sleep(50)) {
      if (performance.now() - began > START_MS) throw new Missing('its consumer did not begin');
      await store.appendToStream(probe, prepare(1));
    }
    return await during();
  } finally {
    await consumer.close();
    await running;
  }
}

async function live({ events, seconds }) {
  const times = new Map();
  const delays = [];
  const end = performance.now() + seconds * 1000;
  await following((message) => void times.set(message.metadata.streamName, performance.now()), async () => {
    while (delays.length < events && performance.now() < end) {
      const stream = newStream();
      await store.appendToStream(stream, prepare(1));
      const answered = performance.now();
      while (!times.has(stream) && performance.now() < end + PATIENCE_MS) await sleep(0);
      if (!times.has(stream)) throw new Missing('an event did not reach the reader within 5 s');
      delays.push(Math.max(0, times.get(stream) - answered));
      await sleep(5);
    }
  });
  return percentiles(delays);
}

async function race({ writers, seconds }) {
  const missed = new Set();
  const early = new Set();
  let written = 0;
  await following(({ metadata: { streamName } }) => void (missed.delete(streamName) || early.add(streamName)), async () => {
    const end = performance.now() + seconds * 1000;
    const write = async () => {
      while (performance.now() < end) {
        const stream = newStream();
        await store.appendToStream(stream, prepare(1));
        written++;
        if (!early.delete(stream)) missed.add(stream); // it may have been seen before its answer came
      }
    };
    await Promise.all(Array.from({ length: writers }, write));
    let known = -1;
    for (let since = performance.now(); missed.size > 0 && performance.now() - since < QUIET_MS; await sleep(5)) {
      if (missed.size !== known) [known, since] = [missed.size, performance.now()];
    }
  });
  return { written, lost: missed.size };
}

const operations = { open, append, fill, load, read_all: readAll, live, race };

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = await operations[op](given);
  } catch (error) {
    console.error(error);
    const reason = error instanceof Missing ? error.message : `it failed: ${error.message?.slice(0, 200)}`;
    answer = { missing: reason };
  }
  answers(`${JSON.stringify(answer)}\n`);
}
await store?.close();
process.exit(0);
