/** The charts of an evaluation, as SVG that needs nothing else. */
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Series } from '../../shared/html-page.ts';
import type { Evaluation, ModelEvaluation } from './evaluate.ts';

export interface Chart {
  readonly title: string;
  /** What it shows and how to read it. */
  readonly caption: string;
  readonly svg: string;
}

/** Colours of the page, in the light and in the dark. */
const [INK, RULE] = ['var(--ink)', 'var(--rule)'];
/** More points than a chart has pixels only make the file larger. */
const FINEST_STEP = 1 / 400;
/** About what a phone shows; a wider page enlarges it, and its texts. */
const SIZE = { width: 300, height: 225 };
const COLOURS = ['#3d8bd4', '#dd6b20', '#38a169', '#9f7aea', '#e53e3e', '#8a94a6'];
/** Scores spread over orders of magnitude; those below are all alike. */
const LEAST_THRESHOLD = 0.001;

/** Which colour is which model. */
export function seriesOf({ models }: Evaluation): Series[] {
  return models.map(({ key }, index) => ({ name: key, colour: COLOURS[index % COLOURS.length] ?? '' }));
}

export async function charts(evaluation: Evaluation): Promise<Chart[]> {
  const { models, settings } = evaluation;
  const { label, amount } = settings.names;
  const every = <Point extends object>(pointsOf: (model: ModelEvaluation) => readonly Point[]) =>
    models.flatMap((model) => pointsOf(model).map((point) => ({ model: model.key, ...point })));
  const domain = models.map(({ key }) => key);
  const specs = [
    {
      title: 'Precision and recall',
      caption: `Of what is refused, the share of which ${label} is true, by the share of those that is refused. Higher is better.`,
      spec: lines(domain, {
        points: every(({ curves }) => thinned(curves.precisionRecall, ({ recall, precision }) => [recall, precision])),
        x: { field: 'recall', title: 'recall', scale: { domain: [0, 1] } },
        y: { field: 'precision', title: 'precision', scale: { domain: [0, 1] } },
      }),
    },
    {
      title: 'ROC',
      caption: `Share that is refused where ${label} is true, by the share that is refused where it is false. Higher is better.`,
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
      caption: `Share of rows of which ${label} is true, among those of like score, by their mean score. On the grey line, scores are probabilities. Rows of each point: see the tables of scores.`,
      spec: calibrationSpec(
        domain,
        every(({ calibration }) => calibration),
      ),
    },
    {
      title: 'Cost of a threshold',
      caption: `What it costs to refuse everything above a score: one that is missed ${amount === undefined ? 1 : `its ${amount}`}, a false alarm ${settings.falseAlarmCost}. Lower is better.`,
      spec: lines(domain, {
        points: every(costPoints),
        x: {
          field: 'threshold',
          title: 'threshold',
          scale: { type: 'log', domain: [LEAST_THRESHOLD, 1] },
          axis: { values: [LEAST_THRESHOLD, 0.01, 0.1, 1] },
        },
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
  readonly axis?: object;
}

const COLOUR = (domain: readonly string[]) => ({
  field: 'model',
  type: 'nominal' as const,
  title: null,
  scale: { domain: [...domain], range: COLOURS },
  // The page has one for all charts.
  legend: null,
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
      y: { type: 'quantitative', axis: { tickCount: 6 }, ...y },
      color: COLOUR(domain),
      // In the order of the curve, which may go straight up.
      order: { field: 'place', type: 'quantitative' },
    },
    config: CONFIG,
  };
}

function calibrationSpec(domain: readonly string[], points: object[]): TopLevelSpec {
  const x = {
    field: 'meanScore',
    type: 'quantitative' as const,
    title: 'mean score',
    axis: { tickCount: 6 },
    scale: { domain: [0, 1] },
  };
  const y = {
    field: 'fraudShare',
    type: 'quantitative' as const,
    title: 'share',
    axis: { tickCount: 6 },
    scale: { domain: [0, 1] },
  };
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
  background: 'transparent',
  view: { stroke: RULE },
  axis: {
    gridColor: RULE,
    domainColor: RULE,
    tickColor: RULE,
    labelColor: INK,
    titleColor: INK,
    labelFontSize: 14,
    titleFontSize: 14,
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
    // As wide as its place in the page.
    return (await view.toSVG()).replace(/ width="[\d.]+" height="[\d.]+"(?= viewBox)/, '');
  } finally {
    view.finalize();
  }
}
