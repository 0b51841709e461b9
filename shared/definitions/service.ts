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
  type Value,
  type ValueType,
} from '../expressions/index.ts';
import { type Described, type Description, described } from './described.ts';
import { checkName, DefinitionError } from './error.ts';
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
export type EventStatus = 'applied' | 'duplicate' | 'late' | 'skewed' | 'unrelated' | 'unknown';

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
        {
          readonly when: (
            columns: Columns<InputRow<Views, Schema>> & Derived & { readonly [EVENT_STATUS]: TextExpression },
          ) => BooleanExpression;
          readonly reason: string;
          readonly outcome: RuleOutcome;
          /** Default: medium for a review, high for a block. */
          readonly severity?: RuleSeverity;
          /** Default: on. */
          readonly state?: RuleState;
        }
      >
    >;
  },
): FeatureService {
  const subject = `service ${options.name}`;
  const description = described('service', options);
  const available = availableFeatures(subject, options.views);
  const features = options.features?.map((name) => findFeature(subject, available, name)) ?? [...available.values()];
  const types: Record<string, ValueType> = { ...(options.decides && columnTypes(options.decides.fields)) };
  for (const { name, type } of available.values()) {
    if (types[name])
      throw new DefinitionError(subject, `"${name}" is a field of the event and a feature; rename the feature`);
    types[name] = type;
  }
  if (types[EVENT_STATUS] || options.derived?.[EVENT_STATUS as keyof Derived])
    throw new DefinitionError(subject, `"${EVENT_STATUS}" is what rules call what became of the event; rename yours`);
  const inputs = columns(types) as unknown as Columns<InputRow<Views, Schema>>;
  const derived = Object.entries<(inputs: Columns<InputRow<Views, Schema>>) => AnyExpression>(
    options.derived ?? {},
  ).map(([name, build]) => {
    checkName(`${subject}: derived feature`, name);
    if (types[name]) throw new DefinitionError(subject, `derived feature "${name}" has the name of one of its inputs`);
    const { tree } = build(inputs);
    return { name, type: tree.type, expression: tree, evaluate: compileToJavaScript(tree) };
  });
  // The columns of derived features are built from what their callbacks returned, which is what `Derived` says.
  const derivedColumns = columns(
    Object.fromEntries(derived.map(({ name, type }) => [name, type])),
  ) as unknown as Derived;
  const ruleColumns = {
    ...inputs,
    ...derivedColumns,
    ...columns<{ event_status: string }>({ [EVENT_STATUS]: 'text' }),
  };
  const rules = Object.entries(options.rules ?? {}).map(([name, rule]): Rule => {
    if (!/^[A-Z][A-Z0-9_]{0,62}$/.test(name))
      throw new DefinitionError(subject, `rule "${name}": a rule's name is UPPER_CASE`);
    const { tree } = rule.when(ruleColumns);
    const { reason, outcome, severity = outcome === 'block' ? 'high' : 'medium', state = 'on' } = rule;
    return { name, reason, outcome, severity, state, when: tree, fires: compilePredicate(tree) };
  });
  requireKnownInputs(
    subject,
    features,
    [...derived.map(({ expression }) => expression), ...rules.map(({ when }) => when)],
    {
      derived,
      fields: [EVENT_STATUS, ...Object.keys(options.decides?.fields ?? {})],
    },
  );
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

function availableFeatures(subject: string, views: readonly AnyView[]): Map<string, ServiceFeature> {
  const available = new Map<string, ServiceFeature>();
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

function findFeature(subject: string, available: ReadonlyMap<string, ServiceFeature>, name: string): ServiceFeature {
  const feature = available.get(name);
  if (!feature) throw new DefinitionError(subject, `no view of it has a feature "${name}"`);
  return feature;
}

/** A derived feature or rule over a feature that the service leaves out would always see null. */
function requireKnownInputs(
  subject: string,
  features: readonly ServiceFeature[],
  expressions: readonly Expression[],
  others: { readonly derived: readonly DerivedFeature[]; readonly fields: readonly string[] },
): void {
  const known = new Set([...features, ...others.derived].map(({ name }) => name).concat(others.fields));
  for (const expression of expressions) {
    for (const name of columnsOf(expression)) {
      if (!known.has(name))
        throw new DefinitionError(subject, `an expression uses "${name}"; add it to the service's features`);
    }
  }
}
