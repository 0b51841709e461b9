import type { FieldValue } from '../definitions/fields.ts';
import { EVENT_STATUS, type EventStatus, type FeatureService, type Rule } from '../definitions/service.ts';
import { derivedValues } from '../online/read-features.ts';
import type { FeatureValue } from '../windows/aggregate.ts';
import {
  type DecisionConfiguration,
  type EntityLists,
  entityListsOf,
  type ListMatch,
  listMatchOf,
  ruleState,
} from './configuration.ts';

/** What happens to a transaction. */
export type Decision = 'approve' | 'review' | 'block';

const SEVERITY: Readonly<Record<Decision, number>> = { approve: 0, review: 1, block: 2 };

/** By how much one input moved a score, on the model's own scale (log-odds, for most). */
export interface Contribution {
  readonly feature: string;
  readonly value: FeatureValue;
  readonly contribution: number;
}

/** A model that is ready to score rows of a service. */
export interface Scorer {
  /** `name@version` */
  readonly key: string;
  readonly thresholds: { readonly review?: number | undefined; readonly block?: number | undefined };
  /** Names of the features and fields that it reads. */
  readonly inputs: readonly string[];
  /** Probability of fraud, 0 … 1. */
  score(row: Readonly<Record<string, FieldValue>>): number;
  /** The inputs that moved the score most, the largest first. */
  explain(row: Readonly<Record<string, FieldValue>>, top: number): readonly Contribution[];
}

/** Everything that decides beside the event: prepared once for each configuration. */
export interface DecisionPolicy {
  readonly service: FeatureService;
  readonly configuration: DecisionConfiguration;
  readonly lists: EntityLists;
  /** The model that decides; without one, rules alone do. */
  readonly champion: Scorer | undefined;
  readonly challengers: readonly Scorer[];
  /** What is not as the configuration in force wants it: then no decision is milder than its `degraded`. */
  readonly problems: readonly PolicyProblem[];
}

/** `configuration`: which one is in force is not known, or it cannot be used. `model`: the one it names cannot. */
export type PolicyProblem = 'configuration' | 'model';

export function decisionPolicy(
  service: FeatureService,
  configuration: DecisionConfiguration,
  more: {
    readonly champion?: Scorer | undefined;
    readonly challengers?: readonly Scorer[];
    readonly problems?: readonly PolicyProblem[];
  } = {},
): DecisionPolicy {
  const { champion, challengers = [], problems = [] } = more;
  return { service, configuration, lists: entityListsOf(service, configuration), champion, challengers, problems };
}

const DECISION_OF_LIST = { deny: 'block', allow: 'approve' } as const satisfies Record<ListMatch['list'], Decision>;

/** Score above which an event is blocked and called fraud, where neither configuration nor model says another. */
const BLOCK_ABOVE = 0.85;

export type FiredRule = Pick<Rule, 'name' | 'reason' | 'outcome' | 'severity'>;

export interface Decided {
  readonly decision: Decision;
  readonly isFraud: boolean;
  /** Probability of fraud; null when no model decides, or when features that it needs are missing. */
  readonly score: number | null;
  /** The rules that fired, in the order of their declaration. */
  readonly rules: readonly FiredRule[];
  /** Those that fired and only report. */
  readonly shadowRules: readonly FiredRule[];
  readonly listed: ListMatch | undefined;
  /** By key of the model. They are told to nobody but the log of what was served. */
  readonly challengerScores: Readonly<Record<string, number>>;
  readonly contributions: readonly Contribution[];
  /** Window features, then derived ones. */
  readonly features: Readonly<Record<string, FeatureValue>>;
  /** Those of the policy, and `model` where it has no probability for this row. */
  readonly problems: readonly PolicyProblem[];
}

export interface DecidedEvent {
  /** Fields of the event. */
  readonly values: Readonly<Record<string, FieldValue>>;
  readonly eventStatus: EventStatus;
  readonly windowFeatures: Readonly<Record<string, FeatureValue>>;
  /** Window features that could not be had and stand as null above. */
  readonly missing?: readonly string[];
  /** How many contributions to name. */
  readonly explained?: number;
}

/**
 * Decides over one event.
 *
 * 1. Derived features follow from window features and the event's fields, the score and the rules from all of them.
 * 2. An entity that is denied is blocked and one that is allowed is approved, whatever rules and score say; allowed only
 *    while it is known which configuration is in force.
 * 3. Otherwise it is the severest of: the rules that fired, the score against its thresholds, and, where features, model
 *    or configuration are missing, `degraded`. A model is not asked about a row that lacks what it was trained on.
 */
export function decide(policy: DecisionPolicy, event: DecidedEvent): Decided {
  const { service, configuration, champion, challengers, lists, problems: known } = policy;
  const { values, eventStatus, windowFeatures, missing = [], explained = 0 } = event;
  const inputs = { ...values, ...windowFeatures };
  const features = { ...windowFeatures, ...derivedValues(service, inputs) };
  const row: Readonly<Record<string, FieldValue>> = { ...inputs, ...features };
  const ruleRow = { ...row, [EVENT_STATUS]: eventStatus };
  const fired = service.rules.filter((rule) => ruleState(configuration, rule) !== 'off' && rule.fires(ruleRow));
  const rules = fired.filter((rule) => ruleState(configuration, rule) === 'on');
  const canScore = missing.length === 0;
  const probability = champion && canScore ? probabilityOf(champion, row) : null;
  const problems: readonly PolicyProblem[] = probability === undefined ? [...known, 'model'] : known;
  const score = probability ?? null;
  const byScore = scoreDecision(policy, score);
  const isComplete = canScore && problems.length === 0;
  const match = listMatchOf(lists, service, values);
  const listed = match?.list === 'allow' && problems.includes('configuration') ? undefined : match;
  const decision = listed
    ? DECISION_OF_LIST[listed.list]
    : severest([...rules.map(({ outcome }) => outcome), byScore, isComplete ? 'approve' : configuration.degraded]);
  return {
    decision,
    isFraud: score === null ? decision === 'block' : byScore === 'block',
    score,
    rules: rules.map(firedRule),
    shadowRules: fired.filter((rule) => ruleState(configuration, rule) === 'shadow').map(firedRule),
    listed,
    challengerScores: canScore ? scoresOf(challengers, row) : {},
    contributions: champion && score !== null && explained > 0 ? champion.explain(row, explained) : [],
    features,
    problems,
  };
}

/** `undefined` when a model has none for a row: it is then as if it were not there. */
function probabilityOf(model: Scorer, row: Parameters<Scorer['score']>[0]): number | undefined {
  try {
    const score = model.score(row);
    // Not a number is neither above a threshold nor below it.
    return score >= 0 && score <= 1 ? score : undefined;
  } catch {
    // Whatever a model fails of, the decision says `degraded` and names it.
    return undefined;
  }
}

function scoresOf(models: readonly Scorer[], row: Parameters<Scorer['score']>[0]): Record<string, number> {
  const scores = models.flatMap((model) => {
    const score = probabilityOf(model, row);
    return score === undefined ? [] : [[model.key, score] as const];
  });
  return Object.fromEntries(scores);
}

/** What the score alone says. A score equal to a threshold is below it. */
function scoreDecision({ configuration, champion }: DecisionPolicy, score: number | null): Decision {
  if (score === null) return 'approve';
  const { block, review } = configuration.thresholds;
  if (score > (block ?? champion?.thresholds.block ?? BLOCK_ABOVE)) return 'block';
  return score > (review ?? champion?.thresholds.review ?? 1) ? 'review' : 'approve';
}

function severest(decisions: readonly Decision[]): Decision {
  return decisions.reduce((worst, next) => (SEVERITY[next] > SEVERITY[worst] ? next : worst), 'approve');
}

function firedRule({ name, reason, outcome, severity }: Rule): FiredRule {
  return { name, reason, outcome, severity };
}
