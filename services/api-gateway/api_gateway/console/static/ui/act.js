/** Does one thing that a button asks for, and says why when it can't be done. */
import { explain } from "../app/api.js";
import { notify } from "../app/state.js";

/** @param {() => Promise<any>} action @param {string} [done] said afterwards */
export async function act(action, done) {
  try {
    const answer = await action();
    if (done) notify(done);
    return answer;
  } catch (error) {
    notify(explain(error), "error");
    return undefined;
  }
}
