import { RemovalPolicy } from 'aws-cdk-lib';

/** What becomes of a resource that holds data when it leaves the template. */
export function removalPolicyOf({ retainData }: { readonly retainData: boolean }): RemovalPolicy {
  return retainData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
}
