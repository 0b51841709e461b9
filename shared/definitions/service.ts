import type * as z from 'zod';
import {
  type AnyExpression,
  type BooleanExpression,
  type Columns,
  columns,
  columnsOf,
  compilePredicate,
  compileToJavaScript,
  type Expression,
  type TextExpression,
  textsComparedWith,
  type Value,
  type ValueType,
} from '../expressions/index.ts';
import { conditionFrom, expressionFrom } from './callback.ts';
import { DESCRIPTION, type Described, type Description, described } from './described.ts';
import { checkName, DefinitionError } from './error.ts';
import {
  callback,
  listOf,
  made,
  named,
  oneOf,
  optional,
  requireShape,
  shown,
  subjectOf,
  suggestion,
  TEXT,
  TEXTS,
} from './shape.ts';
import type { EventSource, RowOf } from './source.ts';
import { columnTypes, type ViewFeature, type WindowedView } from './view.ts';

/** What a rule does to the decision when it fires. A block outweighs a review. */
export type RuleOutcome = 'review' | 'block';

/** How grave it is when a rule fires: for the people who look at it, not for the decision. */
export type RuleSeverity = 'low' | 'medium' | 'high';

/** `on` decides, `shadow` only reports that it fired, `off` is not looked at. A configuration may say otherwise. */
export type RuleState = 'on' | 'off' | 'shadow';

/**
 * The column by which rules see what became of the decided event: `applied` (counted), `duplicate` (counted before), `late`
 * (behind its entity's newest event by more than the allowed lateness, so not counted), `skewed` (counted, but its time
 * lies further from its arrival than `skewToleranceMillis`), `unrelated` (no view counts it) or `unknown` (the store did not answer).
 */
export const EVENT_STATUS = 'event_status';
export const EVENT_STATUSES = ['applied', 'duplicate', 'late', 'skewed', 'unrelated', 'unknown'] as const;
export type EventStatus = (typeof EVENT_STATUSES)[number];

/** What the body of a decision says beside the fields of the event, which therefore cannot have these names. */
export const DECISION_OPTIONS = ['mode', 'explain'] as const;
export type DecisionOption = (typeof DECISION_OPTIONS)[number];

/** A named condition over a decision's features, with the sentence that explains it to people. */
export interface Rule {
  readonly name: string;
  readonly reason: string;
  readonly outcome: RuleOutcome;
  readonly severity: RuleSeverity;
  readonly state: RuleState;
  readonly when: Expression;
  /** Whether `when` is true of a row: not when it is false, nor when it is null. */
  readonly fires: (row: Readonly<Record<string, Value | undefined>>) => boolean;
}

/** A feature computed from other features and from the request. */
export interface DerivedFeature {
  readonly name: string;
  readonly type: ValueType;
  readonly expression: Expression;
  readonly evaluate: (row: Readonly<Record<string, Value | undefined>>) => Value;
}

/** A feature of a service: which view computes it, and where in the view's reading it stands. */
export interface ServiceFeature extends ViewFeature {
  readonly view: WindowedView;
  /** Index into `view.features`, and so into a reading's values. */
  readonly index: number;
}

/** A named, stable set of features for one model or decision. */
export interface FeatureService extends Described {
  readonly kind: 'featureService';
  readonly views: readonly WindowedView[];
  /** Window features in order; derived ones come after them. */
  readonly features: readonly ServiceFeature[];
  readonly derived: readonly DerivedFeature[];
  /** The source whose events this service decides, when it decides. Their fields are columns too. */
  readonly decides: EventSource | undefined;
  readonly rules: readonly Rule[];
}

type UnionToIntersection<U> = (U extends unknown ? (value: U) => void : never) extends (value: infer I) => void
  ? I
  : never;
// biome-ignore lint/suspicious/noExplicitAny: any row, whichever features it has.
type AnyView = WindowedView<any>;
type ViewRow<View> = View extends WindowedView<infer Row> ? Row : never;
/** What derived features may use: every feature of the views, and the fields of the event to decide. */
type InputRow<Views extends readonly AnyView[], Schema extends z.ZodObject> = UnionToIntersection<
  ViewRow<Views[number]>
> &
  RowOf<Schema>;

/** A rule as a service declares it. */
interface RuleOptions<RuleColumns> {
  readonly when: (columns: RuleColumns) => BooleanExpression;
  readonly reason: string;
  readonly outcome: RuleOutcome;
  /** Default: medium for a review, high for a block. */
  readonly severity?: RuleSeverity;
  /** Default: on. */
  readonly state?: RuleState;
}

const OUTCOMES: readonly RuleOutcome[] = ['review', 'block'];
const SEVERITIES: readonly RuleSeverity[] = ['low', 'medium', 'high'];
const STATES: readonly RuleState[] = ['on', 'off', 'shadow'];

const SERVICE = {
  expected: 'an object with name, views and the other options of a service',
  options: {
    ...DESCRIPTION,
    views: listOf(made('windowedView', 'windowedView')),
    features: optional(TEXTS),
    decides: optional(made('eventSource', 'eventSource')),
    derived: optional(named('{ ratio: ({ amount, avg_amount_1h }) => amount.dividedBy(avg_amount_1h) }')),
    rules: optional(named('{ LARGE: { when, reason, outcome } }')),
  },
};

const RULE = {
  expected: 'an object with when, reason and outcome',
  options: {
    when: callback('({ amount }) => amount.isGreaterThan(1000)'),
    reason: TEXT,
    outcome: oneOf(OUTCOMES),
    severity: optional(oneOf(SEVERITIES)),
    state: optional(oneOf(STATES)),
  },
};

const DERIVED = callback('({ amount }) => amount.floor()');

/** Declares a feature service. @throws DefinitionError naming the service and the fix. */
export function featureService<
  const Views extends readonly AnyView[],
  Schema extends z.ZodObject,
  Derived extends Record<string, AnyExpression> = Record<never, never>,
>(
  options: Description & {
    readonly views: Views;
    /** Names of the features that belong to the service, in order. All features of all views, by default. */
    readonly features?: readonly (keyof UnionToIntersection<ViewRow<Views[number]>> & string)[];
    readonly decides?: EventSource<Schema>;
    readonly derived?: {
      readonly [Name in keyof Derived]: (columns: Columns<InputRow<Views, Schema>>) => Derived[Name];
    };
    /** By name, `UPPER_CASE`. They see features, derived features, the event's fields and `event_status` (`EventStatus`). */
    readonly rules?: Readonly<
      Record<
        string,
        RuleOptions<Columns<InputRow<Views, Schema>> & Derived & { readonly [EVENT_STATUS]: TextExpression }>
      >
    >;
  },
): FeatureService {
  const subject = subjectOf('service', options);
  requireShape(subject, options, SERVICE);
  const description = described('service', options);
  if (options.views.length === 0) throw new DefinitionError(subject, 'views is empty; name at least one view');
  if (options.decides) requireNamedEntities(subject, options.views, options.decides);
  const available = availableFeatures(subject, options.views);
  const features = selectedFeatures(subject, available, options.features);
  const types = inputTypes(subject, available, options.decides);
  const inputs = columns(types) as unknown as Columns<InputRow<Views, Schema>>;
  const derived = Object.entries<(inputs: Columns<InputRow<Views, Schema>>) => AnyExpression>(
    options.derived ?? {},
  ).map(([name, build]) => derivedFeature(subject, name, build, inputs));
  // The columns of derived features are built from what their callbacks returned, which is what `Derived` says.
  const derivedColumns = columns(
    Object.fromEntries(derived.map(({ name, type }) => [name, type])),
  ) as unknown as Derived;
  const ruleColumns = {
    ...inputs,
    ...derivedColumns,
    ...columns<{ event_status: string }>({ [EVENT_STATUS]: 'text' }),
  };
  const rules = Object.entries(options.rules ?? {}).map(([name, rule]) =>
    declaredRule(`${subject}: rule ${name}`, name, rule, ruleColumns),
  );
  const fields = Object.keys(options.decides?.fields ?? {});
  const known = new Set([...features, ...derived].map(({ name }) => name).concat(EVENT_STATUS, fields));
  for (const { name, expression } of derived)
    requireKnownInputs(`${subject}: derived feature ${name}`, expression, known);
  for (const { name, when } of rules) requireKnownInputs(`${subject}: rule ${name}`, when, known);
  return {
    kind: 'featureService',
    ...description,
    views: options.views.filter((view) => features.some((feature) => feature.view === view)),
    features,
    derived,
    decides: options.decides,
    rules,
  };
}

/** Of an entity that no decided event names, every feature would be empty for ever. */
function requireNamedEntities(subject: string, views: readonly AnyView[], { name, fields }: EventSource): void {
  for (const { name: view, entity } of views) {
    const missing = entity.joinKeys.find((joinKey) => !Object.hasOwn(fields, joinKey));
    if (missing === undefined) continue;
    throw new DefinitionError(
      subject,
      `its view ${view} is found by "${missing}", which the decided source ${name} does not have; add the field, or leave out the view`,
    );
  }
}

function derivedFeature<Inputs extends object>(
  service: string,
  name: string,
  build: (inputs: Inputs) => AnyExpression,
  inputs: Inputs,
): DerivedFeature {
  checkName(`${service}: derived feature`, name);
  const subject = `${service}: derived feature ${name}`;
  if (name === EVENT_STATUS) throw statusClash(service);
  if (Object.hasOwn(inputs, name)) throw new DefinitionError(subject, 'has the name of one of its inputs; rename it');
  if (!DERIVED.holds(build)) throw new DefinitionError(subject, `must be ${DERIVED.expected}; got ${shown(build)}`);
  const { tree } = expressionFrom(subject, build, inputs);
  return { name, type: tree.type, expression: tree, evaluate: compileToJavaScript(tree) };
}

function declaredRule<RuleColumns extends object>(
  subject: string,
  name: string,
  rule: RuleOptions<RuleColumns>,
  ruleColumns: RuleColumns,
): Rule {
  if (!/^[A-Z][A-Z0-9_]{0,62}$/.test(name)) {
    throw new DefinitionError(subject, 'a rule\'s name is UPPER_CASE: a letter, then letters, digits or "_"');
  }
  requireShape(subject, rule, RULE);
  const { tree } = conditionFrom(subject, rule.when, ruleColumns);
  const never = textsComparedWith(tree, EVENT_STATUS).find((text) => !EVENT_STATUSES.some((status) => status === text));
  if (never !== undefined) {
    throw new DefinitionError(
      subject,
      `${EVENT_STATUS} is never ${shown(never)}; ${suggestion(never, EVENT_STATUSES, 'statuses')}`,
    );
  }
  const { reason, outcome, severity = outcome === 'block' ? 'high' : 'medium', state = 'on' } = rule;
  return { name, reason, outcome, severity, state, when: tree, fires: compilePredicate(tree) };
}

const statusClash = (service: string) =>
  new DefinitionError(service, `"${EVENT_STATUS}" is what rules call what became of the event; rename yours`);

/** Types of the columns that callbacks see: the fields of the decided event and the features. */
function inputTypes(
  subject: string,
  available: ReadonlyMap<string, ServiceFeature>,
  decides: EventSource | undefined,
): Record<string, ValueType> {
  const fields = columnTypes(decides?.fields ?? {});
  const option = DECISION_OPTIONS.find((name) => Object.hasOwn(fields, name));
  if (option !== undefined) {
    throw new DefinitionError(
      subject,
      `field "${option}" of source ${decides?.name} could not be sent: it is an option of the decision's body; rename the field`,
    );
  }
  const clash = [...available.keys()].find((name) => Object.hasOwn(fields, name));
  if (clash !== undefined) {
    throw new DefinitionError(subject, `"${clash}" is a field of the event and a feature; rename the feature`);
  }
  const features = [...available.values()].map(({ name, type }) => [name, type] as const);
  const types = { ...fields, ...Object.fromEntries(features) };
  if (Object.hasOwn(types, EVENT_STATUS)) throw statusClash(subject);
  return types;
}

function availableFeatures(subject: string, views: readonly AnyView[]): Map<string, ServiceFeature> {
  const available = new Map<string, ServiceFeature>();
  const twice = views.find((view, index) => views.indexOf(view) !== index);
  if (twice !== undefined) throw new DefinitionError(subject, `view ${twice.name} is listed twice; remove one`);
  for (const view of views) {
    view.features.forEach((feature, index) => {
      const known = available.get(feature.name);
      if (known) {
        throw new DefinitionError(
          subject,
          `views ${known.view.name} and ${view.name} both have a feature ${feature.name}; rename one`,
        );
      }
      available.set(feature.name, { ...feature, view, index });
    });
  }
  return available;
}

function selectedFeatures(
  subject: string,
  available: ReadonlyMap<string, ServiceFeature>,
  names: readonly string[] = [...available.keys()],
): ServiceFeature[] {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new DefinitionError(subject, `features names "${twice}" twice; remove one`);
  return names.map((name) => {
    const feature = available.get(name);
    if (feature) return feature;
    const hint = suggestion(name, [...available.keys()], 'features');
    throw new DefinitionError(subject, `no view of it has a feature "${name}"; ${hint}`);
  });
}

/** A derived feature or rule over a feature that the service leaves out would always see null. */
function requireKnownInputs(subject: string, expression: Expression, known: ReadonlySet<string>): void {
  for (const name of columnsOf(expression)) {
    if (!known.has(name)) throw new DefinitionError(subject, `uses "${name}"; add it to the service's features`);
  }
}
