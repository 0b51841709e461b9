/** What somebody changes in the running module, as text: each edit finds what it replaces, or the walk is worth nothing. */
import { readFile, writeFile } from 'node:fs/promises';

export type Edit = readonly (readonly [find: string, replacement: string])[];

export async function edit(file: string, replacements: Edit): Promise<void> {
  let text = await readFile(file, 'utf8');
  for (const [find, replacement] of replacements) {
    if (text.split(find).length !== 2) throw new Error(`${JSON.stringify(find)} must be in ${file} once`);
    text = text.replace(find, () => replacement);
  }
  await writeFile(file, text);
}

export const MONTH_VIEW = 'account_logins@2';
export const MONTH_SERVICE = 'account_month';

/** A view of a month, of which history knows what the stream did not count. */
export function monthView(liveFrom: string): Edit {
  return [
    [
      'const loginCheck =',
      `const accountMonth = windowedView({
  name: 'account_logins',
  version: 2,
  description: 'How an account logs in, over a month.',
  owner: 'identity',
  entity: account,
  source: logins,
  windows: { '7d': '7d', '30d': '30d' },
  features: { month_logins: count(), month_countries: distinct('country'), month_typing: mean('typing_ms') },
  liveFrom: '${liveFrom}',
  ttl: '60d',
});

const accountMonths = featureService({
  name: 'account_month',
  version: 1,
  description: 'How an account logs in, over a month.',
  owner: 'identity',
  views: [accountMonth],
});

const loginCheck =`,
    ],
    [
      'views: [accountLogins, deviceAccounts, accountCases],\n  services: [',
      'views: [accountLogins, accountMonth, deviceAccounts, accountCases],\n  services: [accountMonths, ',
    ],
  ];
}

export const ADDED_FEATURE: Edit = [
  ['    logins: count(),\n', "    logins: count(),\n    fastest_typing: min('typing_ms'),\n"],
  ['  mean,\n', '  mean,\n  min,\n'],
];
export const RENAMED_FEATURE: Edit = [['    slowest_typing: ', '    max_typing: ']];
export const DELETED_FEATURE_AND_RULE: Edit = [
  ["    success_before: last('is_success', { excludesCurrent: true }),\n", ''],
  [
    `    MANY_DEVICES: {
      when: ({ devices_24h }) => devices_24h.isGreaterThan(9),
      reason: 'Ten devices within a day.',
      outcome: 'review',
    },
`,
    '',
  ],
];
export const TYPO: Edit = [['    logins: count(),\n', "    logins: count(),\n    countries: distinct('contry'),\n"]];
export const MENDED_TYPO: Edit = [["distinct('contry')", "distinct('country')"]];
export const LAST_EDIT: Edit = [
  ['    logins: count(),\n', "    logins: count(),\n    first_country: first('country'),\n"],
  ['  featureService,\n', '  featureService,\n  first,\n'],
];
