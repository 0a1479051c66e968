/** Uploads with progress and cancel. XMLHttpRequest, because fetch tells no progress of what is sent. */
import { ApiError } from "../app/api.js";

/**
 * Send a file to the API.
 * @param {File} file
 * @param {{entity_type: string, entity_id: string}} about what the file belongs to
 * @param {{onProgress?: (part: number) => void, key?: string}} [options] `onProgress` gets 0 to 1
 * @returns {{done: Promise<any>, cancel: () => void}}
 */
export function uploadFile(file, about, { onProgress, key } = {}) {
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append("entity_type", about.entity_type);
  form.append("entity_id", about.entity_id);
  form.append("file", file, file.name);
  const done = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress?.(total ? loaded / total : 0));
    request.addEventListener("load", () => {
      const answer = parse(request.responseText);
      if (request.status >= 200 && request.status < 300 && answer) resolve(answer);
      else reject(new ApiError(request.status, answer || {}));
    });
    request.addEventListener("error", () => reject(new ApiError(0)));
    request.addEventListener("abort", () => reject(new ApiError(0, { code: "cancelled" })));
    request.open("POST", "/api/v1/files");
    request.setRequestHeader("Accept", "application/json");
    if (key) request.setRequestHeader("Idempotency-Key", key);
    request.send(form);
  });
  return { done, cancel: () => request.abort() };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
