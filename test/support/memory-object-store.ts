import { type ObjectStore, ObjectTooLargeError } from '../../shared/scoring/decision-store.ts';

/** Objects in memory. Each call takes a turn of the event loop, as a network would. */
export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>();

  async get(name: string, { bytesMaximum = Number.POSITIVE_INFINITY } = {}): Promise<Uint8Array | undefined> {
    await Promise.resolve();
    const content = this.objects.get(name);
    if (content && content.length > bytesMaximum) throw new ObjectTooLargeError(`${name} is too large`);
    return content;
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    await Promise.resolve();
    this.objects.set(name, content);
  }

  async putNew(name: string, content: Uint8Array): Promise<boolean> {
    await Promise.resolve();
    if (this.objects.has(name)) return false;
    this.objects.set(name, content);
    return true;
  }
}
