/** Names that functions and their infrastructure share. */

/** CloudWatch namespace of every metric of the product. */
export const METRICS_NAMESPACE = 'FeatureStore';

/** Environment variables common to the functions. */
export const ENV = {
  stage: 'STAGE',
  tableName: 'ONLINE_TABLE_NAME',
  /** Point every AWS client at this endpoint (local stacks); unset in AWS. */
  endpoint: 'AWS_ENDPOINT_URL',
} as const;
