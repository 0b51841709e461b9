import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS, toldOf } from '../../../cli/errors.ts';
import { AwsError } from '../../../cli/explain-aws.ts';
import { UserError } from '../../../cli/user-error.ts';
import { DefinitionError } from '../../../shared/definitions/error.ts';
import { AuditSourceError } from '../../../shared/offline/audit/audit-source.ts';
import { HistoryError } from '../../../shared/offline/embedded/errors.ts';
import { SpineError } from '../../../shared/offline/offline-store.ts';
import { FeaturesModuleError } from '../../../shared/registry/load-repository.ts';
import { ConfigurationError } from '../../../shared/scoring/configuration.ts';
import { ObjectTooLargeError } from '../../../shared/scoring/decision-store.ts';
import { ModelPackageError } from '../../../shared/scoring/package.ts';

describe('what a user is told', () => {
  it.each([
    [new UserError('x'), 'request'],
    [new SpineError('x'), 'spine'],
    [new HistoryError('x'), 'history'],
    [new DefinitionError('view v', 'x'), 'definition'],
    [new FeaturesModuleError('x'), 'features-module'],
    [new AuditSourceError('x'), 'served-rows'],
    [new ConfigurationError('x'), 'configuration'],
    [new ModelPackageError('x'), 'model-package'],
    [new ObjectTooLargeError('x'), 'object-too-large'],
    [new AwsError('aws-quota', 'x'), 'aws-quota'],
  ])('of %s ends with its code', (error, code) => {
    expect(toldOf(error)).toBe(`${error.message} [${code}]`);
    expect(ERRORS).toHaveProperty(code);
  });

  it('of a defect is nothing', () => {
    expect(toldOf(new TypeError('x is not a function'))).toBeUndefined();
  });
});

describe('docs/errors.md', () => {
  it('lists every code with what it means and the fix, in the order of the table', async () => {
    const text = await readFile(join(import.meta.dirname, '../../../docs/errors.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `([\w-]+)` \| (.*) \| (.*) \|$/gm)].map(([, code = '', means, fix]) => [
      code,
      { means, fix },
    ]);
    expect(rows).toEqual(Object.entries(ERRORS));
  });
});
