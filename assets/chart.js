// Draws the table of a series as a chart. The table stays what is read aloud.

const figure = document.querySelector('[data-chart]');
const rows = [...document.querySelectorAll('[data-series] tbody tr')];

/** A token of the stylesheet. */
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The numbers of a column. */
const column = (nth) => rows.map((row) => Number(row.children[nth].textContent));

let chart;

/** A moment on the axis, in the zone of the table. */
const zone = document.querySelector('[data-zone]')?.value || 'UTC';
const unit = document.querySelector('select[name=unit]')?.value;
const parts = {
  hour: { day: 'numeric', month: 'short', hour: '2-digit' },
  month: { month: 'short', year: '2-digit' },
}[unit] ?? { day: 'numeric', month: 'short' };
const format = new Intl.DateTimeFormat('en-GB', { ...parts, timeZone: zone });
const day = (at) => format.format(at * 1000);

function draw() {
  chart?.destroy();
  const bars = window.uPlot.paths.bars({ size: [0.72, 36], radius: 0.15 });
  const people = column(1);
  const all = column(2).map((bots, nth) => bots + people[nth]);
  const at = rows.map((row) => Number(row.dataset.at));
  const half = at.length > 1 ? (at.at(-1) - at[0]) / (at.length - 1) / 2 : 43200;
  const axis = { stroke: token('--muted'), grid: { stroke: token('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
  const series = (label, colour) => ({ label, stroke: colour, fill: colour, width: 0, paths: bars, points: { show: false } });
  chart = new window.uPlot({
    width: figure.clientWidth,
    height: 240,
    padding: [8, 0, 0, 0],
    cursor: { y: false, points: { show: false } },
    legend: { live: true },
    scales: { x: { range: () => [at[0] - half, at.at(-1) + half] }, y: { range: (_, low, high) => [0, Math.max(high, 4)] } },
    axes: [{ ...axis, values: (_, splits) => splits.map(day) }, { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] }],
    series: [
      { label: 'When', value: (_, at) => label(at) },
      { ...series('All', token('--bots')) },
      { ...series('People', token('--people')) },
    ],
  }, [at, all, people], figure);
}

/** The bucket as the table writes it. */
function label(at) {
  const row = rows.find((it) => Number(it.dataset.at) === at);
  return row ? row.children[0].textContent : '';
}

if (figure && rows.length) {
  draw();
  let waiting;
  new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (chart.width !== figure.clientWidth) draw(); }, 80);
  }).observe(figure);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
