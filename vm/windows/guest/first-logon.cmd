@echo off
rem Runs once, in Windows, when the administrator is logged on for the first time. It lies on the
rem provisioning disc, in \vsocks: nothing from there is used before its checksum was right.
setlocal
set HERE=%~dp0
set HOME=C:\vsocks
set BAD=
if not exist %HOME%\logs md %HOME%\logs
call :say reached first-logon

for /f "usebackq tokens=1,*" %%h in ("%HERE%SHA256SUMS") do call :verify %%h "%%i"
if defined BAD goto damaged
call :say reached checksums

md %HOME%\python
tar -xf "%HERE%python.zip" -C %HOME%\python
if errorlevel 1 goto unpacking
tar -xf "%HERE%inside.zip" -C %HOME%
if errorlevel 1 goto unpacking
call :say reached unpacked

cd /d %HOME%
%HOME%\python\python.exe -m inside.provision "%HERE%settings.json" >>%HOME%\logs\provision.log 2>&1
if errorlevel 1 goto provisioning
exit /b 0

:verify
certutil -hashfile "%HERE%%~2" SHA256 >%HOME%\logs\sum.txt
find /i "%~1" %HOME%\logs\sum.txt >nul
if errorlevel 1 set BAD=%~2
exit /b 0

:damaged
call :say failed: the checksum of %BAD% on the provisioning disc is wrong
exit /b 1

:unpacking
call :say failed: tar cannot unpack what is on the provisioning disc
exit /b 1

:provisioning
call :say failed: inside.provision has ended with an error, see %HOME%\logs\provision.log
exit /b 1

:say
>COM1 echo vsocks: %*
exit /b 0
