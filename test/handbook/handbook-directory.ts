import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The folder of the handbook's data, where it is; says what is skipped without it.
 * @throws Error when `HANDBOOK_DIRECTORY` names a folder that does not hold it: whoever names it wants the check to be made.
 */
export function handbookDirectory(skipped: string): string | undefined {
  const directory = process.env.HANDBOOK_DIRECTORY ?? '../shared/handbook';
  if (existsSync(join(directory, 'transactions.parquet'))) return directory;
  const reason = `There is no handbook data in ${directory}; set HANDBOOK_DIRECTORY to the folder that holds it.`;
  if (process.env.HANDBOOK_DIRECTORY !== undefined) throw new Error(reason);
  console.warn(`Skipped: ${skipped}. ${reason}`);
  return undefined;
}
