/// RSA keys of the simulation's identity provider, made for it and known to everybody who reads this: they protect nothing.
enum PublicSecrets {
    static let keys: [String: String] = [
        "ka": """
            -----BEGIN PRIVATE KEY-----
            MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCzEz/W0wM8l57y
            q5G/KyuKRNfyLmScfmkzA3uqAxCY19JVuUORqkm4F/gLBS+Q0fBC7cMWGvWNwY02
            NCKo68wdLSZrWhAKhVsxiwTPXrQXlOtV7p4iF/zK/ualUjnQIYPx9d74caib3JBI
            Tu2eizn6FfWC0ZZdycy1Fnsl3gMFCCgT7a2WsYS3F4Yb/NAXrp77rFSANnV6PFw+
            gYKVlORWKCI9p6uudI7s3mFm9n67aMknfdDId3fboCnJ9VxmmIKVPOhqb/+WKNZs
            lksfaggbK6L1dEZ95CnXMoGJmjCEgFcu7d4cmbJUjiigGQC9JhTJDqTCdBZ711np
            2RcvamgvAgMBAAECggEACK0ysNtehi2oHOslNhVtMaQUsBfnwt4sUk8L5RJRWCaB
            rkRth33jWB3vl13nKEwtXDQEkzcEYmiLYzuMpl47PWEPqH0fo9lCsH7WewaERIdw
            DT5xJdO/T6w6fq4iPcX+v6Pn65lbAw16/2K1O3/uQJv89+hLZQkld9Mg0/ysbS6B
            1nDd5yCd/W2ONAJaVQBG67HWy1Vyxtjda2f4PjTOozp8IN+/Xn2u2NQVT+V/9duw
            IElA+2ykY+n/BkE85kGFazYdRGzj9l4kD8dREpDdc9vpt8p51trLaMCShQZ2zYjV
            X1WMum6hQDt438/eip9excaLpebfNkB0wX/EFBtBkQKBgQDbBI/d6pfU/Bguvwpe
            LrVikrAZRa1I4Zoj2pODk8m6Y4q2AKJj5F2ig9Da9DU2wirHCiyoiWVvKpVb0LJf
            LP5RQsGcOo2ma3cU/n0FwHJIyaD1b3+0/dxQoQ0JJdH27tOYL9YE0o8p2ktSGxQT
            pNoM77xj+IOthFbtEAXCrD0RmQKBgQDRUBh/tswGJrW3fzbIc3Yjb7ZTrL0FGdkB
            DBZVlBUKT0T4ZB12f1Wu0vHH2UEG0fG6I6fFA2TMCWsusnj1sAPUre0LtlQ/t+6O
            gEGLZADjXJbisRJACAiRpD4BUIgMoZZjwOzr+nTpiex0D1nnM8eCHwghHhix0itS
            hiokrtR1BwKBgFePnljRRjxfQOfHdsSqlde/32lrItklYLN+2kTbW+YJj9YtsL6Q
            +SJU4rX2tiObQvDqT2pd69CizK21ZOqKGW6xaqgj/KeRBT2+dItNIiOZgKE/H2Zj
            q6YMjSKgHS5E0xFf5odtCtFntX8w1jj4Sjiry7yICVTguMP0COmIZK3ZAoGBAIMt
            Hy1q8hIo0FlfcIXPVop+yFVIPG2l9UmiuZyIYWdEpoTEuXI5+wjFSqFklkwf5s4w
            6kOeDN2SSYnKb+QJm1z+Y0Cj08jbDLZhyrIAyk2zCRyovDdE0Zn0xKcuQRUpb4a0
            scZyADMcLQPPWxh6at4xdHbM1c0bWesuCdtTdfKhAoGBAK8RB4Jx9fVfR0bycsZm
            URTvPUvQyOtxOVQKiyPfF2+cc3AGfEoApYBGThpdbGutWx0OLnvZ1gu/zKMgnSuj
            hd4K+lsF6GIHPMpIvLu94f6XvA/ekC30Zl5DfuLXyCI4ru5ssRl7zSk6Y/e/kcIr
            A2zn/TaR5nboy5NdwGHebD7h
            -----END PRIVATE KEY-----
            """,
        "kb": """
            -----BEGIN PRIVATE KEY-----
            MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQDdEweO4wFwjtHZ
            G2+syR1LinZlMqKEQJ0WnfVr43splxv/ufgF4NJBqpxFFyiOBEIGVGMECLTs75vz
            jQ08I0FAvg9otFiZcZR2EJ+gNzT6cWQm6+mLCUK9VB/muWXrAvkNyo0uzJ4nbm2b
            IaE8/rugISDvkj2+r6E4FyRBAjRAfeL0GLUJkopZYFAtd7l4AMEXOPb+iiT2oaUc
            qssvsKasnvu6+IitiSJlLP37GTVUNqKFuYiZMJgDjXuHB8tbVmTIApzwSDRBPXyw
            MA7gEALCiI2eLMkKzbPSdKn5ErX+gDKBR3TFfftMB4D5PHYnucCaIdYSBMb+M56n
            VI5/tCmHAgMBAAECggEAFUvuqnZ2fmADxHppeP0BdB7T5k5zwXHIBZRp6V7HT+uy
            qCFDd1gqaREFGigaTAlfouR2NWlGpJyLKscnwzyniJPGlZDqCBNyTdKuzexY5Ndk
            4oBPcIllLdVGIsqGuuuqZQhiLrlKHa+m92Qh+Dzsg4cteRFeyVkkmsFVSL3sSASq
            r/ws8myIlSQ/+Q2fBHbCD3N3zep0JW8/H2TRHPJ5kcOHQNR686KC6pUJS5xHn7u2
            tviRA8SMjPguNCdmRf5w9RwCIBiTr/BylB9ux6qDG6/tVseyqPW9tEz948qqoyW+
            Pqb5qqvLMHVeOCIdadaG4vqRr3ENCANau6JqtVXb4QKBgQDxYamAK506tSgLMQDs
            kKHf7+mmD8HVupDl/M8GzQp+BlgoZ5rIBeik2HzeLejWDexVnrLFIeU+jaC9Ptry
            HpkDLoFZ6/NEyTobudTX3/xSJ5eST5b4eQAVx7U1EzOtBg8/lLDLEe2kj7QAvB6g
            bPT58/3Aa6O/4KBlhtVAtQFCowKBgQDqdodWAwqLiDv0bguIGh7DfXt2uPMnZJXH
            c5u7qdDgaIsffUcbpG6J4t7JpiTVTIjc7p/ufRHrRIiKGF7QlZgsM3+QDlUbPavM
            ebU5amzkvkkDQMGoUXLzHMAf7eeIb/brt6m8LdrR1R6f3De5PS1PKEWGL8+EuHT/
            UWFBsPDPzQKBgQDL7I0tmisn+PoOkmTMdtg6/02unKtObGKT2oPwo/MUSznZUMYD
            7HICKl87uR93D6Y1I3C2eI9azH4aw2pnmI/+jyB6nosT9sjfuZxmkHVz1r0Hv7O0
            0UzQGbsuTr2elHr3ZSADP288Uqdo44UgVUyVips7H/TkWtpHS6UIGKMq7wKBgQDh
            FvukenT0Mc0FQ2R0vEbOfLg76SEer3UPrxBSYJwz5ImzqGzMv9aTL6ecxZFU6Q33
            tGr75Tx/tiKzGORlsUgPHz2WyfuwlEtLmYh+34o9K+UiZ1fDxLXraa2UuavvEzZl
            Y8Ri8U7C5axp4lvozS+jb9EXGu1JyGAiATmyfDEj/QKBgQDnfH0pFvImN2Ns47kG
            pPQT1IS8UaMdHEigYwmRVXwFYbTPLxG8bPuanfkzf1zAwSlzX3uvyxs1Wfd38KZs
            m1khZNOLwNvZok5PaIs3ynBbjavYkWLOtBG3Ij+Y1c0mb/67BbzbZ5k7btu+eSXT
            qnFo2/A2zOxTD/BnI6wrPmZwqg==
            -----END PRIVATE KEY-----
            """,
        "kc": """
            -----BEGIN PRIVATE KEY-----
            MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDFS4Hw5gBWE621
            zWKXa399DBqab6pqWBTZxtbLBZf0VOELAyG6P/2E2EYBJuup6EXkWVl4HKqXXAT/
            72+duT9cw/ldX4NjtHW8aINKot0S4FRRMaQLKRQzkrgA3pbG7uplezU+bxrfGzmG
            yV6zs0JhGkt0SeBlyhN86WXSit4QVW0dIEScs2tw6mVFrBR/IrHseHU8Ha3Ojjw/
            FZROHlRb4xihLd17jmFvBehj0R0gPAWoQzTKEqEz1S+FB88R26U3zdu5SoR054UJ
            Py2v3jDc6l7Og9nuNT2qBMoKmJBIor69yVfUn2r7ydf1JjAeGArcnbqNGUYkxVK2
            ufFIgl3PAgMBAAECggEAQatuZvbHqd8G9PqWFHyNhNvghwMgICGNXyeWGyGTgJo4
            BehW852VDwDF3GBOFNHhYa5z30z7Y0IXz/CsoD0m4APDHtdJ7ogEoF/RQ6iOGVhd
            +GCjj6tus/PkFzX/zdt8XabzBAMLWLPBJCImyX2jXJrZ/q0QahEnB27Qm5HpdFnF
            MFm/8TvwmjbNv7PgMjLdywQHA9S80Z27Avz3kD3z1BZdbJcfl/fh3djEXCBQLkd2
            JXETqsKkrkZFwcHuO/MjWlDQ+oB6qQO376G/KqlKbgg+Kir0EJ9TMJFw7hyxlnU7
            GW51tzKlZlhCqQKEVLZkHFZKgNlud2FQPqzqKUb8YQKBgQDpCOmM9w0sUA0vpc8Q
            Cq98XeXxC2sZ8Hs+p3FgQ0BsQmaCJGbx9892SY0xZxjYuilWaUoJtLJrYZ7rsVBg
            kKbxz3QVyIXODcYgvWM8ctel7W+sDugR7AJ2JFBIeest54nGUJzOVSmHTWfHu1BN
            UX1MP7oNF7TQ4OorHovefOWBJwKBgQDYvO/av5YfstyZgwWNpJmztz/9y8ZDJV+F
            z4DHYVccZJGTqN93+gvt6010e57YJIuyZ2xaDRw+iqkh6Sw/bEbmLqISmvbVUgB/
            Xb92YrEAQJZ2WjMw5/z8VWriCXDbDfP8LJAioLcDzTRmca7ccpWGOgApZXrPhpBP
            PMUHtvfXGQKBgAVj+2MTY+6ee2+aukt4s86ArY0B4pxa/77XSLwdUiQu9QgVp3v5
            a4ck9GssI1sAE2y4Ssomr+nj/DUfiOhy8CmvztOiK9Y0Y1zmhKElVu+zql2kiqG/
            f98Tv/etOk95h6pauwXa2ncSx0/LeXQQaoGVB8y9u6UJTuFod3vSD80JAoGBAMPR
            N/dv/yeWht6fVMYbP87yMnuPvwntWzdfOZ9pn7WEW06IVZZlMJ/9ZtZl1ia8JgbC
            kE9v5uPOjW6Y56RJpGjVGxMqNPaYhuCMB67jDb4HnKlDZ1q5ToWAevfLxc3z9ksQ
            zAytHYzuungQIAcF83f5MSo1iFa04e7lHbKRqawJAoGBAJLdL0f/72bz7hBi5Itp
            j8yRptw5g1BJE4EbyBLTmMWQx44FkNcNKONMfRkbSnYo6e8LDXc49VjaTlJJ4C92
            BVBrH5506LlqIF0IWF93s+l/YSYP50y439A65uEX2iCKRkpZ//soTM2YUbuqS1v/
            dSNV+jMt3xOZyQxpWQ/DWuoh
            -----END PRIVATE KEY-----
            """,
    ]
}
