/** The charts of an evaluation, as SVG that needs nothing else. */
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Evaluation, ModelEvaluation } from './evaluate.ts';

export interface Chart {
  readonly title: string;
  /** What it shows and how to read it. */
  readonly caption: string;
  readonly svg: string;
}

/** More points than a chart has pixels only make the file larger. */
const FINEST_STEP = 1 / 400;
const SIZE = { width: 400, height: 300 };
const COLOURS = ['#2b6cb0', '#dd6b20', '#2f855a', '#805ad5', '#c53030'];
/** Scores spread over orders of magnitude; those below are all alike. */
const LEAST_THRESHOLD = 0.001;

export async function charts(evaluation: Evaluation): Promise<Chart[]> {
  const { models, settings } = evaluation;
  const every = <Point extends object>(pointsOf: (model: ModelEvaluation) => readonly Point[]) =>
    models.flatMap((model) => pointsOf(model).map((point) => ({ model: model.key, ...point })));
  const domain = models.map(({ key }) => key);
  const specs = [
    {
      title: 'Precision and recall',
      caption: 'Of what is refused, the share that is fraud, by the share of frauds that is refused. Higher is better.',
      spec: lines(domain, {
        points: every(({ curves }) => thinned(curves.precisionRecall, ({ recall, precision }) => [recall, precision])),
        x: { field: 'recall', title: 'recall' },
        y: { field: 'precision', title: 'precision', scale: { domain: [0, 1] } },
      }),
    },
    {
      title: 'ROC',
      caption: 'Share of frauds that is refused, by the share of honest transactions that is. Higher is better.',
      spec: lines(domain, {
        points: every(({ curves }) =>
          thinned(curves.roc, ({ falsePositiveRate, truePositiveRate }) => [falsePositiveRate, truePositiveRate]),
        ),
        x: { field: 'falsePositiveRate', title: 'false positive rate' },
        y: { field: 'truePositiveRate', title: 'true positive rate' },
      }),
    },
    {
      title: 'Calibration',
      caption:
        'Share of frauds among transactions of like score, by their mean score. On the grey line, scores are probabilities.',
      spec: calibrationSpec(
        domain,
        every(({ calibration }) => calibration),
      ),
    },
    {
      title: 'Cost of a threshold',
      caption: `What it costs to refuse everything above a score: a missed fraud its amount, a false alarm ${settings.falseAlarmCost}. Lower is better.`,
      spec: lines(domain, {
        points: every(costPoints),
        x: { field: 'threshold', title: 'threshold', scale: { type: 'log', domain: [LEAST_THRESHOLD, 1] } },
        y: { field: 'cost', title: 'cost', scale: { domainMin: 0, domainMax: 1.5 * evaluation.fraudAmount } },
      }),
    },
  ];
  return Promise.all(specs.map(async ({ title, caption, spec }) => ({ title, caption, svg: await svgOf(spec) })));
}

function costPoints({ costs }: ModelEvaluation) {
  const nothingRefused = costs[0]?.cost ?? 1;
  const shown = costs.filter(({ threshold }) => threshold >= LEAST_THRESHOLD);
  return thinned(shown, ({ threshold, cost }) => [
    1 - Math.log(threshold) / Math.log(LEAST_THRESHOLD),
    cost / nothingRefused,
  ]);
}

interface Channel {
  readonly field: string;
  readonly title: string;
  readonly scale?: object;
}

const COLOUR = (domain: readonly string[]) => ({
  field: 'model',
  type: 'nominal' as const,
  title: null,
  scale: { domain: [...domain], range: COLOURS },
  legend: { orient: 'top' as const, columns: 2, labelLimit: 250 },
});

function lines(
  domain: readonly string[],
  { points, x, y }: { readonly points: object[]; readonly x: Channel; readonly y: Channel },
): TopLevelSpec {
  return {
    ...SIZE,
    data: { values: points },
    mark: { type: 'line', strokeWidth: 1.5, clip: true },
    encoding: {
      x: { type: 'quantitative', axis: { tickCount: 6 }, ...x },
      y: { type: 'quantitative', ...y },
      color: COLOUR(domain),
      // In the order of the curve, which may go straight up.
      order: { field: 'place', type: 'quantitative' },
    },
    config: CONFIG,
  };
}

function calibrationSpec(domain: readonly string[], points: object[]): TopLevelSpec {
  const x = { field: 'meanScore', type: 'quantitative' as const, title: 'mean score', scale: { domain: [0, 1] } };
  const y = { field: 'fraudShare', type: 'quantitative' as const, title: 'share of frauds', scale: { domain: [0, 1] } };
  return {
    ...SIZE,
    layer: [
      {
        data: {
          values: [
            { meanScore: 0, fraudShare: 0 },
            { meanScore: 1, fraudShare: 1 },
          ],
        },
        mark: { type: 'line', color: '#a0aec0', strokeDash: [4, 4] },
        encoding: { x, y },
      },
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 1.5, point: { size: 35 } },
        encoding: { x, y, color: COLOUR(domain) },
      },
    ],
    config: CONFIG,
  };
}

const CONFIG = {
  font: 'system-ui, sans-serif',
  view: { stroke: '#e2e8f0' },
  axis: {
    gridColor: '#edf2f7',
    domainColor: '#a0aec0',
    tickColor: '#a0aec0',
    labelColor: '#1a202c',
    titleFontWeight: 'normal' as const,
  },
};

/** A curve without the points that lie closer to the last one than could be seen; both ends stay. */
function thinned<Point extends object>(points: readonly Point[], place: (point: Point) => readonly [number, number]) {
  let last: readonly [number, number] | undefined;
  return points
    .filter((point, index) => {
      const here = place(point);
      const isSeen =
        last === undefined ||
        Math.hypot(here[0] - last[0], here[1] - last[1]) >= FINEST_STEP ||
        index === points.length - 1;
      if (isSeen) last = here;
      return isSeen;
    })
    .map((point, index) => ({ ...point, place: index }));
}

async function svgOf(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
