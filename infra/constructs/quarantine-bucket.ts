import { Duration } from 'aws-cdk-lib';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { accessLogsBucket, privateBucketProps } from './private-bucket.ts';

/** Long enough to find the cause, repair it and replay; personal data is not kept longer than that. */
const KEPT_FOR = Duration.days(90);

/** Where records go that could not be counted, with the reason, until someone has looked at them. */
export class QuarantineBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: { readonly retainData: boolean }) {
    super(scope, id);
    const accessLogs = accessLogsBucket(this, 'AccessLogs', props);
    this.bucket = new Bucket(this, 'Bucket', {
      ...privateBucketProps(props),
      // A replay that goes wrong must not be able to overwrite what it replays.
      versioned: true,
      // `Bucket` implements `IBucket` but for `policy?: undefined`, which this project's compiler options tell apart.
      serverAccessLogsBucket: accessLogs as IBucket,
      lifecycleRules: [
        {
          expiration: KEPT_FOR,
          noncurrentVersionExpiration: Duration.days(30),
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
      ],
    });
  }
}
