import type { FieldValue } from '../../definitions/fields.ts';
import type { DerivedFeature, FeatureService } from '../../definitions/service.ts';
import { featureReference, type WindowedView } from '../../definitions/view.ts';
import { columnsOf } from '../../expressions/index.ts';
import { countsOnline } from '../../online/counts-online.ts';
import type { FeatureRepository } from '../../registry/manifest.ts';
import type { FeatureValue } from '../../windows/aggregate.ts';
import { idHashOf, type WindowEvent } from '../../windows/event.ts';
import { type Cause, examineView, type ViewFinding } from './causes.ts';
import type { ServedRecord } from './served-record.ts';

/** Declarations as they are now, and their versions: what a served row is compared with. */
export interface Declared {
  readonly repository: FeatureRepository;
  /** `definitionVersions(repository)` */
  readonly versions: Readonly<Record<string, string>>;
}

/** What history says of a row's entity in one view. */
export interface EntityHistory {
  readonly events: readonly WindowEvent[];
  /** Ids of events that rows served before were found to lack for good; what this row lacks is added. */
  readonly neverCounted: Set<string>;
  readonly decided: ReadonlySet<string>;
  readonly completeFromMillis: number;
}

/** One feature of one served row. */
export interface FeatureFinding {
  /** The view or service that declares it: `name@version`. */
  readonly declaredBy: string;
  readonly feature: string;
  readonly served: FeatureValue;
  /** Absent where the definition was another one, or neither view nor feature was answered. */
  readonly recomputed?: FeatureValue;
  /** What everything that is in history today makes of it. Absent as above, and of derived features. */
  readonly hindsight?: FeatureValue;
  /** None where the value is the recomputed one. */
  readonly cause: Cause | undefined;
}

/** A served row that names what it does not describe, so that nothing can be compared. */
export class UnreadableRowError extends Error {
  override readonly name = 'UnreadableRowError';
}

const OTHER_DEFINITION: Cause = 'other definition version';
const NOT_ANSWERED: Cause = 'not answered';

/**
 * Compares every feature of a served row with what history makes of it.
 * @param historyOf events of the row's entity that belong to a view.
 * @throws UnreadableRowError
 */
export function examineRow(
  record: ServedRecord,
  declared: Declared,
  historyOf: (view: WindowedView) => EntityHistory,
  inFlightMillis: number,
): FeatureFinding[] {
  const { repository } = declared;
  const service = repository.services.find(({ key }) => key === record.service);
  if (record.service !== null && service === undefined) return allOfAnotherDefinition(record, record.service);
  const placed = placeFeatures(record, repository, service);
  const findings = new Map<WindowedView, ViewFinding | Cause>();
  for (const [view, served] of placed.byView) {
    const state = record.views[view.key];
    if (!isSameDefinition(record, declared, view.key)) findings.set(view, OTHER_DEFINITION);
    else if (state === undefined) findings.set(view, NOT_ANSWERED);
    else {
      const history = historyOf(view);
      const finding = examineView({
        view,
        asOfMillis: state.as_of,
        servedAtMillis: record.servedAtMillis,
        highWaterMillis: state.high_water,
        scored: scoredIn(record, view, service),
        served: new Map([...served].filter(([index]) => !isUntold(record, view, index))),
        // What is answered from memory may be as much older.
        inFlightMillis: inFlightMillis + (view.cacheForMillis ?? 0),
        ...history,
      });
      findings.set(view, finding);
      for (const id of finding.neverCounted) history.neverCounted.add(id);
    }
  }
  return [
    ...[...placed.byView].flatMap(([view, served]) => viewFindings(record, view, served, findings.get(view))),
    ...placed.derived.map((feature) => derivedFinding(record, declared, service, feature, findings)),
    ...placed.unknown.map(
      (feature): FeatureFinding => ({
        declaredBy: record.service ?? 'unknown',
        feature,
        served: record.features[feature] ?? null,
        cause: OTHER_DEFINITION,
      }),
    ),
  ];
}

function allOfAnotherDefinition({ features }: ServedRecord, declaredBy: string): FeatureFinding[] {
  return Object.entries(features).map(([feature, served]) => ({
    declaredBy,
    feature,
    served,
    cause: OTHER_DEFINITION,
  }));
}

interface PlacedFeatures {
  /** Served values by view and index into its features. */
  readonly byView: ReadonlyMap<WindowedView, ReadonlyMap<number, FeatureValue>>;
  readonly derived: readonly DerivedFeature[];
  /** Names that are declared nowhere today. */
  readonly unknown: readonly string[];
}

function placeFeatures(
  record: ServedRecord,
  { views }: FeatureRepository,
  service: FeatureService | undefined,
): PlacedFeatures {
  const byView = new Map<WindowedView, Map<number, FeatureValue>>();
  const derived: DerivedFeature[] = [];
  const unknown: string[] = [];
  const answering = service?.views ?? views.filter(({ key }) => record.views[key] !== undefined);
  for (const [name, value] of Object.entries(record.features)) {
    const isNamed = (view: WindowedView, feature: string) =>
      name === feature || name === featureReference(view, feature);
    const view = answering.find((one) => one.features.some((feature) => isNamed(one, feature.name)));
    const ofService = service?.derived.find((feature) => feature.name === name);
    if (ofService !== undefined) derived.push(ofService);
    else if (view === undefined) unknown.push(name);
    else {
      const index = view.features.findIndex((feature) => isNamed(view, feature.name));
      byView.set(view, (byView.get(view) ?? new Map<number, FeatureValue>()).set(index, value));
    }
  }
  return { byView, derived, unknown };
}

function isSameDefinition({ definitions }: ServedRecord, { versions }: Declared, subject: string): boolean {
  return definitions[subject] !== undefined && definitions[subject] === versions[subject];
}

/** The decided event, where it is one of the view's: then it is inside its own windows, or left out of them. */
function scoredIn(
  { event, eventStatus, servedAtMillis }: ServedRecord,
  view: WindowedView,
  service: FeatureService | undefined,
) {
  if (event === null || service?.decides !== view.source) return undefined;
  const timeMillis = Number(event.values[view.source.eventTime]);
  if (!Number.isSafeInteger(timeMillis)) {
    throw new UnreadableRowError(`the decided event has no ${view.source.eventTime}`);
  }
  const { id, values } = event;
  const decided = { id, idHash: idHashOf(id), timeMillis, arrivedAtMillis: servedAtMillis, values };
  return countsOnline(view, decided) ? { event: decided, status: eventStatus } : undefined;
}

/** Whether a feature was missing in an answer of its view. */
function isUntold({ views }: ServedRecord, view: WindowedView, index: number): boolean {
  return views[view.key]?.untold?.includes(view.features[index]?.name ?? '') ?? false;
}

function viewFindings(
  record: ServedRecord,
  view: WindowedView,
  served: ReadonlyMap<number, FeatureValue>,
  finding: ViewFinding | Cause | undefined,
): FeatureFinding[] {
  return [...served].map(([index, value]) => {
    const common = { declaredBy: view.key, feature: view.features[index]?.name ?? '', served: value };
    if (finding === undefined || typeof finding === 'string') return { ...common, cause: finding };
    if (isUntold(record, view, index)) return { ...common, cause: NOT_ANSWERED };
    return {
      ...common,
      recomputed: finding.recomputed[index] ?? null,
      hindsight: finding.hindsight[index] ?? null,
      cause: finding.causes.get(index),
    };
  });
}

/** Of several causes, the one that says least of what is known goes to what is made of them. */
const GRAVEST_FIRST: readonly Cause[] = ['unexplained', 'in flight', 'late arrival'];

/**
 * A derived feature, from recomputed window features and the decided event. It differs for the causes for which its inputs
 * differ, if it follows from the values that those causes explain.
 */
function derivedFinding(
  record: ServedRecord,
  declared: Declared,
  service: FeatureService | undefined,
  { name, evaluate, expression }: DerivedFeature,
  findings: ReadonlyMap<WindowedView, ViewFinding | Cause>,
): FeatureFinding {
  const common = { declaredBy: service?.key ?? '', feature: name, served: record.features[name] ?? null };
  const inputs = (service?.features ?? []).filter((feature) => columnsOf(expression).has(feature.name));
  if (!isSameDefinition(record, declared, `${service?.key} derived`)) return { ...common, cause: OTHER_DEFINITION };
  const examined = new Map<WindowedView, ViewFinding>();
  for (const { view, index } of inputs) {
    const finding = isUntold(record, view, index) ? NOT_ANSWERED : (findings.get(view) ?? NOT_ANSWERED);
    if (typeof finding === 'string') return { ...common, cause: finding };
    examined.set(view, finding);
  }
  const evaluated = (kind: 'recomputed' | 'explained') =>
    evaluate({
      ...record.event?.values,
      ...Object.fromEntries(
        inputs.map(({ name: input, view, index }): [string, FieldValue] => [
          input,
          examined.get(view)?.[kind][index] ?? null,
        ]),
      ),
    });
  const recomputed = evaluated('recomputed');
  if (recomputed === common.served) return { ...common, recomputed, cause: undefined };
  const causes = new Set(inputs.flatMap(({ view, index }) => examined.get(view)?.causes.get(index) ?? []));
  const isExplained = evaluated('explained') === common.served;
  const cause = GRAVEST_FIRST.find((candidate) => causes.has(candidate));
  return { ...common, recomputed, cause: isExplained && cause !== undefined ? cause : 'unexplained' };
}
