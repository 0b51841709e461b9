import type { FieldValue } from '../definitions/fields.ts';
import type { FeatureService, Rule } from '../definitions/service.ts';
import { derivedValues } from '../online/read-features.ts';
import type { FeatureValue } from '../windows/aggregate.ts';

/** What happens to a transaction. */
export type Decision = 'approve' | 'review' | 'block';

export interface Decided {
  readonly decision: Decision;
  readonly isFraud: boolean;
  /** The rules that fired, in the order of their declaration. */
  readonly rules: readonly Pick<Rule, 'name' | 'reason' | 'outcome'>[];
  /** Window features, then derived ones. */
  readonly features: Readonly<Record<string, FeatureValue>>;
}

/**
 * Decides over one event: derived features from window features and the event's fields, rules over all of them, and the
 * severest outcome of the rules that fired.
 */
export function decide(
  service: FeatureService,
  values: Readonly<Record<string, FieldValue>>,
  windowFeatures: Readonly<Record<string, FeatureValue>>,
): Decided {
  const inputs = { ...values, ...windowFeatures };
  const features = { ...windowFeatures, ...derivedValues(service, inputs) };
  const row = { ...inputs, ...features };
  const rules = service.rules
    .filter((rule) => rule.fires(row))
    .map(({ name, reason, outcome }) => ({ name, reason, outcome }));
  const decision = decisionOf(rules);
  return { decision, isFraud: decision === 'block', rules, features };
}

function decisionOf(rules: Decided['rules']): Decision {
  if (rules.some(({ outcome }) => outcome === 'block')) return 'block';
  return rules.length > 0 ? 'review' : 'approve';
}
