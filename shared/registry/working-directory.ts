import { join } from 'node:path';

/** Of this repository. */
export const PROJECT_ROOT = join(import.meta.dirname, '../..');

/** Where a command was called. npm runs our scripts in our folder, and says where; anywhere else, what it says is of another script. */
export const WORKING_DIRECTORY =
  process.cwd() === PROJECT_ROOT ? (process.env.INIT_CWD ?? process.cwd()) : process.cwd();
