import { AttributeType, BillingMode, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { TABLE } from '../../shared/online/table.ts';
import { removalPolicyOf } from './removal.ts';

/** The online store: one item per view, entity and lane. */
export class OnlineTable extends Construct {
  readonly table: Table;

  constructor(scope: Construct, id: string, props: { readonly retainData: boolean }) {
    super(scope, id);
    this.table = new Table(this, 'Table', {
      partitionKey: { name: TABLE.partitionKey, type: AttributeType.STRING },
      timeToLiveAttribute: TABLE.timeToLive,
      // Traffic follows card payments: fast peaks, quiet nights. Provisioned capacity would throttle the peaks.
      billingMode: BillingMode.PAY_PER_REQUEST,
      // The key that AWS keeps for DynamoDB: its use is audited, and nobody can delete it and the data with it.
      encryption: TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: props.retainData,
      removalPolicy: removalPolicyOf(props),
    });
  }
}
