import type { RowSink } from '../../functions/row-sink.ts';
import type { DeliveredRow } from '../../shared/offline/row-logs.ts';

/** Keeps rows by table, as if each had been delivered at once. */
export class CollectingSink implements RowSink {
  readonly rows: { readonly table: string; readonly row: Readonly<Record<string, unknown>> }[] = [];
  sends = 0;
  /** What `send` waits for. */
  sent: Promise<void> = Promise.resolve();

  add(table: string, row: DeliveredRow): void {
    this.rows.push({ table, row: { ...row } });
  }

  send(): Promise<void> {
    this.sends++;
    return this.sent;
  }

  of(table: string): Readonly<Record<string, unknown>>[] {
    return this.rows.filter((kept) => kept.table === table).map(({ row }) => row);
  }
}
