import { createHash } from 'node:crypto';
import { type ObjectStore, ObjectTooLargeError, type TaggedObject } from '../../shared/scoring/decision-store.ts';

/** Objects in memory. Each call takes a turn of the event loop, as a network would. */
export class MemoryObjectStore implements ObjectStore {
  readonly objects: Map<string, Uint8Array>;
  /** Every write waits for it. */
  onPut: (name: string) => Promise<void> = () => Promise.resolve();

  constructor(objects = new Map<string, Uint8Array>()) {
    this.objects = objects;
  }

  async get(name: string, { bytesMaximum = Number.POSITIVE_INFINITY } = {}): Promise<Uint8Array | undefined> {
    await Promise.resolve();
    const content = this.objects.get(name);
    if (content && content.length > bytesMaximum) throw new ObjectTooLargeError(`${name} is too large`);
    return content;
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    await this.onPut(name);
    this.objects.set(name, content);
  }

  async putNew(name: string, content: Uint8Array): Promise<boolean> {
    await this.onPut(name);
    if (this.objects.has(name)) return false;
    this.objects.set(name, content);
    return true;
  }

  async getTagged(name: string): Promise<TaggedObject | undefined> {
    const content = await this.get(name);
    return content && { content, tag: tagOf(content) };
  }

  async putOver(name: string, content: Uint8Array, tag: string): Promise<boolean> {
    await this.onPut(name);
    const before = this.objects.get(name);
    if (before === undefined || tagOf(before) !== tag) return false;
    this.objects.set(name, content);
    return true;
  }
}

/** Equal contents have equal tags, as most of S3's do. */
function tagOf(content: Uint8Array): string {
  return createHash('md5').update(content).digest('hex');
}
