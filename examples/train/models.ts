/** The models of the fraud service: what each learns from, and what stands in for a value that is not there. */
import { fraudDetection, merchantRisk, userTransactions } from '../../shared/features/fraud.ts';
import type { ModelInput } from '../../shared/scoring/package.ts';

export const SERVICE = fraudDetection;

/**
 * The vector of the fraud decision: the amount, a user's window features, the ratio of the amount to the average and the
 * burst flag. Nothing counted is 0, one merchant at least is there, and without an average the amount is the average.
 */
const DECISION_VECTOR: readonly ModelInput[] = [
  { feature: 'amount', type: 'number', imputation: 0 },
  ...userTransactions.features.map(
    ({ name }): ModelInput => ({ feature: name, type: 'number', imputation: name.startsWith('distinct_') ? 1 : 0 }),
  ),
  { feature: 'amount_to_avg_ratio', type: 'number', imputation: 1 },
  { feature: 'is_burst', type: 'boolean', imputation: 0 },
];

/** With what is known of frauds at the merchant. A share of nothing is missing, which trees can learn from. */
const WITH_MERCHANT: readonly ModelInput[] = [
  ...DECISION_VECTOR,
  ...merchantRisk.features.map(
    ({ name }): ModelInput => ({
      feature: name,
      type: 'number',
      imputation: name.startsWith('label_count') ? 0 : null,
    }),
  ),
];

export interface PlannedModel {
  readonly name: string;
  readonly version: number;
  /** `name@version` */
  readonly key: string;
  /** A function of train.py. */
  readonly kind: 'xgboost' | 'lightgbm' | 'logistic-regression';
  readonly description: string;
  readonly inputs: readonly ModelInput[];
  /** Boosting ends there at the latest. */
  readonly rounds?: number;
}

/** The model that decides. */
export const CHAMPION = 'boosted_trees@1';

export const MODELS: readonly PlannedModel[] = [
  {
    name: 'boosted_trees',
    version: 1,
    key: CHAMPION,
    kind: 'xgboost',
    description: 'XGBoost over the decision vector.',
    inputs: DECISION_VECTOR,
    rounds: 120,
  },
  {
    name: 'boosted_trees_merchant',
    version: 1,
    key: 'boosted_trees_merchant@1',
    kind: 'xgboost',
    description: 'XGBoost over the decision vector and the labels of the merchant.',
    inputs: WITH_MERCHANT,
    rounds: 120,
  },
  {
    name: 'lightgbm_trees',
    version: 1,
    key: 'lightgbm_trees@1',
    kind: 'lightgbm',
    description: 'LightGBM over the decision vector.',
    inputs: DECISION_VECTOR,
    rounds: 300,
  },
  {
    name: 'logistic_regression',
    version: 1,
    key: 'logistic_regression@1',
    kind: 'logistic-regression',
    description: 'Logistic regression over the standardised decision vector.',
    inputs: DECISION_VECTOR,
  },
];

/** What thresholds are chosen by, in the currency of the amounts. A fraud that is let through costs its amount. */
export const COSTS = { review: 5, honestBlocked: 25 } as const;
