import { Duration } from 'aws-cdk-lib';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { accessLogsBucket, privateBucketProps } from './private-bucket.ts';

/** Where `shared/scoring/decision-store.ts` keeps things. */
export const DECISION_PREFIXES = ['configurations/', 'models/'] as const;

/**
 * Configurations of decisions and packages of models. None of them expires, nor do the old versions of the one object that
 * changes: they are small, and they are the record of what decided when.
 */
export class DecisionsBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: { readonly retainData: boolean }) {
    super(scope, id);
    this.bucket = new Bucket(this, 'Bucket', {
      ...privateBucketProps(props),
      versioned: true,
      // `Bucket` implements `IBucket` but for `policy?: undefined`, which this project's compiler options tell apart.
      serverAccessLogsBucket: accessLogsBucket(this, 'AccessLogs', props) as IBucket,
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
    });
  }
}
