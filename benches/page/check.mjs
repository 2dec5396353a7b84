// Drives the live page in a headless Chromium over a real patrol and a mock city, and prints what an officer would experience.
//
// needs: playwright-core (npm), Debian's chromium; `cargo build --release`
// usage: node check.mjs [SCREENSHOT.png]
//
// Three people lie before one rendered camera in deadly cold. Measured: from the desk's commit (the lead is in the API) to
// the row on the page; whether the evidence picture loads; whether the key Y reaches the city as a case.
import { chromium } from 'playwright-core';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const patrol = process.env.PATROL ?? fileURLToPath(new URL('../../target/release/patrol', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'patrol-page-'));
const env = { ...process.env, PATROL_CITY_SECRET: 'of this check only', PATROL_LOG: 'error' };
const [console_, city, callbacks] = ['127.0.0.1:8491', '127.0.0.1:8492', '127.0.0.1:8493'];

writeFileSync(join(folder, 'spec.toml'), `
duration_s = 60
weather = { air_c = -22.0, wind_kmh = 25, alert = "red" }
[[camera]]
id = "c1"
name = "桥下"
at = [0, 0]
height_m = 8.0
tilt_deg = 42.0
hfov_deg = 58.0
fps = 4.0
${[[-3, 8, 80], [3, 8, 100], [0, 14, 95]].map(([e, n, f]) => `[[person]]\nat_s = 0\nfrom = [${e}, ${n}]\nsteps = [{ do = "lie", facing_deg = ${f} }]`).join('\n')}
`);
const made = spawnSync(patrol, ['sim', 'scene', join(folder, 'spec.toml'), '--out', join(folder, 'scene')], { env });
if (made.status !== 0) throw new Error(made.stderr.toString());
writeFileSync(join(folder, 'scene/mapping.toml'), 'crs = "both"\n[class]\nbig = "05"\nsmall = "99"\n');
const pipeline = join(folder, 'scene/pipeline.toml');
writeFileSync(pipeline, readFileSync(pipeline, 'utf8').replace('[site]\n', '[site]\nsystem_code = "31010100085026000001"\n'));
appendFileSync(pipeline, `
[store]
dir = "store"
[console]
listen = "${console_}"
[city]
base = "http://${city}"
mapping = "mapping.toml"
app_key = "k"
secret = { env = "PATROL_CITY_SECRET" }
callback_listen = "${callbacks}"
`);
const children = [
  spawn(patrol, ['sim', 'city', '--app-key', 'k', '--listen', city, '--callback-url', `http://${callbacks}`, '--log', join(folder, 'city.jsonl')], { env }),
  spawn(patrol, ['run', join(folder, 'scene')], { env }),
];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const until = async (what, ms, probe) => {
    const from = Date.now();
    for (;;) {
      const found = await probe().catch(() => null);
      if (found) return found;
      if (Date.now() - from > ms) throw new Error(`${what}: not within ${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await until('the page', 10000, () => page.goto(`http://${console_}/`));
  await page.evaluate(() => fetch('/api/v1/operator', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name: '检查员' }) }));
  await page.reload();

  const first = await until('a lead in the API', 30000, async () => {
    const list = await (await fetch(`http://${console_}/api/v1/leads`)).json();
    return list.leads.find((lead) => lead.state === 'REVIEW')?.id;
  });
  const committed = Date.now();
  await until('the row on the page', 5000, () => page.evaluate((id) => document.body.innerHTML.includes(id), first));
  const row_ms = Date.now() - committed;
  await until('the evidence picture', 5000, () =>
    page.evaluate(() => [...document.images].some((image) => image.src.includes('/evidence/') && image.complete && image.naturalWidth > 300)));
  const picture_ms = Date.now() - committed;
  if (process.argv[2]) await page.screenshot({ path: process.argv[2] });
  await page.waitForTimeout(800); // Decision keys rest for a moment after the page moved on by itself.
  const pressed = Date.now();
  await page.keyboard.press('y');
  const attempt = await until('the case at the city', 10000, async () => {
    const lines = readFileSync(join(folder, 'city.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    return lines.find((line) => line.case_id);
  });
  console.log(JSON.stringify({ row_ms, picture_ms, case_ms: Date.now() - pressed, lead: attempt.event_id, case_id: attempt.case_id, page_errors: errors }));
} finally {
  await browser.close();
  for (const child of children) child.kill();
}
