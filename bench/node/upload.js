// The legacy platform's upload: express, multer and multer-s3. node upload.js PORT ENDPOINT BUCKET KEY SECRET
import { S3Client } from "@aws-sdk/client-s3";
import express from "express";
import multer from "multer";
import multerS3 from "multer-s3";

const [port, endpoint, bucket, accessKeyId, secretAccessKey] = process.argv.slice(2);
const s3 = new S3Client({
  endpoint, region: "us-east-1", forcePathStyle: true, credentials: { accessKeyId, secretAccessKey },
  requestChecksumCalculation: "WHEN_REQUIRED",
});
const storage = multerS3({
  s3, bucket, contentType: multerS3.AUTO_CONTENT_TYPE,
  key: (request, file, done) => done(null, `multer/${Date.now()}-${Math.random()}-${file.originalname}`),
});
const app = express();
app.post("/files", multer({ storage, limits: { fileSize: 50 * 1024 * 1024 } }).single("file"), (request, response) => {
  response.status(201).json({ key: request.file.key });
});
app.listen(Number(port), "127.0.0.1");
