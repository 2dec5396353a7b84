// Drives the look now, the live view and the clip of the page in a headless Chromium over the console's made-up office, and
// prints what an officer would experience.
//
// needs: playwright-core (npm), Debian's chromium and ffmpeg; `cargo build -p patrol-console --example console_fake`
// usage: node views.mjs [FOLDER for screenshots]
//
// Measured: click to picture of a look now (the made-up camera takes 700 ms); live pictures a second and whether a camera that
// stops is said to; that closing the dialog ends the view at the server; that H.264 plays and H.265 falls back to its preview.
import { chromium } from 'playwright-core';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const fake = process.env.CONSOLE_FAKE ?? fileURLToPath(new URL('../../target/debug/examples/console_fake', import.meta.url));
const [port, folder] = ['8494', process.argv[2]];
const base = `http://127.0.0.1:${port}`;
const server = spawn(fake, [port], { stdio: 'ignore' });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const found = {};
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (line) => line.text().includes('Content Security Policy') && errors.push(line.text()));
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const until = async (what, ms, probe) => {
    const from = Date.now();
    for (;;) {
      const value = await probe().catch(() => null);
      if (value) return value;
      if (Date.now() - from > ms) throw new Error(`${what}: not within ${ms} ms`);
      await pause(20);
    }
  };
  const sizes = { wide: { width: 1400, height: 900 }, narrow: { width: 420, height: 820 } };
  const shoot = async (name) => {
    if (!folder) return;
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      await pause(250);
      await page.screenshot({ path: join(folder, `${name}-${size}.png`) });
    }
    await page.setViewportSize(sizes.wide);
  };
  const text = (selector) => page.textContent(selector);
  const metric = async (name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await fetch(`${base}/metrics`)).text())?.[1]);
  const painted = (stage) => page.evaluate((id) => document.querySelector(`${id} canvas`).width > 100, stage);
  const choose = async (lead) => {
    await page.click(`#lead-XL-20260105-000${lead}`);
    await until('the lead', 3000, () => page.evaluate((id) => document.querySelector('#detail').dataset.lead?.endsWith(id), lead));
  };

  await until('the page', 10000, () => page.goto(base));
  await page.fill('#sign-in-name', '李强');
  await page.keyboard.press('Enter');
  await until('the queue', 5000, () => page.$('#lead-XL-20260105-000317'));
  await choose('317');
  await until('the picture', 5000, () => page.evaluate(() => document.querySelector('img.whole')?.naturalWidth > 0));
  await pause(300);
  await shoot('detail');

  const clicked = Date.now();
  await page.keyboard.press('l');
  await until('the fresh look', 4000, () => painted('#look-stage'));
  found.look_ms = Date.now() - clicked;
  found.look_says = `${await text('#look-words')} / ${await text('#look-age')} / ${await text('#look-people')}`;
  await shoot('look');
  await page.keyboard.press('v');
  await until('the reason', 2000, () => page.isVisible('#live-form'));
  found.live_reason = await page.inputValue('#live-reason');
  await shoot('live-reason');
  await page.keyboard.press('Enter');
  await until('a live picture', 4000, () => painted('#live-stage'));
  const [before, from] = [await metric('patrol_console_live_pictures_total'), Date.now()];
  await pause(4000);
  found.live_fps = Math.round(((await metric('patrol_console_live_pictures_total')) - before) / ((Date.now() - from) / 10000)) / 10;
  found.live_says = await text('#live-words');
  await shoot('live');
  await page.keyboard.press('Escape');
  const closed = Date.now();
  await until('the end of the view', 3000, async () => (await metric('patrol_console_live_views')) === 0);
  found.live_ended_ms = Date.now() - closed;

  await page.keyboard.press('p');
  await until('the clip plays', 5000, () => page.evaluate(() => document.querySelector('#clip video')?.currentTime > 0.5));
  found.clip_h264 = 'plays';
  await shoot('clip');
  await page.keyboard.press('Escape');
  await choose('318');
  await page.keyboard.press('p');
  found.clip_h265 = await until('the clip or its preview', 5000, () =>
    page.evaluate(() => {
      const [video, preview] = [document.querySelector('#clip video'), document.querySelector('#clip-stage img')];
      return video?.currentTime > 0.5 ? 'plays' : preview?.naturalWidth > 0 ? document.querySelector('#clip-words').textContent : null;
    }));
  await shoot('clip-h265');
  await page.keyboard.press('Escape');

  await page.keyboard.press('c');
  await until('the cameras', 3000, () => page.$('#view-cameras tbody tr'));
  found.cameras_say = await text('#view-cameras p');
  await shoot('cameras');
  const row = (name) => page.locator('#view-cameras tbody tr', { hasText: name });
  await row('烂尾楼北门').getByText('立即查看').click();
  await until('the words why not', 4000, async () => (await text('#look-words')).startsWith('未能查看'));
  await shoot('look-refused');
  await page.keyboard.press('Escape');
  await row('外滩桥洞东侧').getByText('实时画面').click();
  await page.keyboard.press('Enter');
  await until('a live picture', 20000, () => painted('#live-stage'));
  await until('the interruption', 20000, () => page.isVisible('#live-interrupted'));
  found.interrupted_says = await text('#live-interrupted');
  await shoot('live-interrupted');
  await until('the pictures are back', 20000, async () => !(await page.isVisible('#live-interrupted')));
  server.kill('SIGKILL');
  await until('the end is said', 5000, () => page.isVisible('#live-again'));
  await shoot('live-lost');
  await page.keyboard.press('Escape');
  await page.click('#language');
  await page.keyboard.press('?');
  await shoot('help-english');
  console.log(JSON.stringify({ ...found, page_errors: errors }, null, 1));
} finally {
  await browser.close();
  server.kill();
}
