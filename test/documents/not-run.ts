/** Blocks that are not run as the others are, each with the reason. */
export interface NotRun {
  readonly document: string;
  /** Its first line. */
  readonly starts: string;
  readonly reason: string;
  /** Whether `npm run trial -- documents` runs it, which may take minutes. */
  readonly isTried: boolean;
}

const HANDBOOK = "needs the Fraud Detection Handbook's data, which are not in this repository";

export const NOT_RUN: readonly NotRun[] = [
  { document: 'README.md', starts: '$ npm test', reason: 'it would run this test', isTried: false },
  { document: 'README.md', starts: '$ npm run train', reason: 'takes minutes', isTried: true },
  { document: 'README.md', starts: 'shared/ ', reason: 'shows folders; compared with them below', isTried: false },
  { document: 'docs/items.md', starts: 'SET ', reason: 'shows one UpdateItem', isTried: false },
  { document: 'examples/handbook/README.md', starts: '$ npm run handbook:live', reason: HANDBOOK, isTried: false },
  { document: 'examples/handbook/README.md', starts: '$ npm run handbook:serve', reason: HANDBOOK, isTried: false },
];
